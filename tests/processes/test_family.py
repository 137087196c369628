"""Ending what somebody else started: all of it is dead when the answer comes, and nobody else has felt anything."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path

import psutil
import pytest

from mcp_background_job.processes import census, family
from mcp_background_job.processes.family import Ended, _Family, end_family
from mcp_background_job.processes.wrapper import ProcessWrapper
from tests.conftest import Liveness
from tests.patience import HELPER_LIFE_S, PATIENCE_S, scaled

pytestmark = pytest.mark.real_process

#: Starts a Python script in a session of its own, and says its pid.
Start = Callable[..., int]

_NOBODY = 65534


@pytest.fixture
def start(liveness: Liveness) -> Generator[Start]:
    """Start scripts; those that are alive after the test are asked to end, and collected."""
    children: list[subprocess.Popen[bytes]] = []

    def start(name: str, body: str, **options: bool | int) -> int:
        child = subprocess.Popen(liveness.script(name, body).split(), **({"start_new_session": True} | options))  # pyright: ignore[reportArgumentType, reportCallIssue]
        children.append(child)
        return child.pid

    yield start
    liveness.end_all()
    for child in children:
        child.send_signal(signal.SIGCONT)
        try:
            child.wait(PATIENCE_S)
        finally:
            child.kill()


def _end(pid: int, *, grace_s: float = 0.2, patience_s: float = PATIENCE_S) -> Ended:
    return end_family(ProcessWrapper(pid), grace_s=grace_s, patience_s=patience_s)


#: Tells of every signal that a process can be told of; SIGKILL and SIGSTOP would show in other ways.
_COUNTER = """
sock = connect("stranger")
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGALRM}:
    signal.signal(number, lambda number, frame: sock.sendall(b"%d " % number))
sock.sendall(b"ready ")
hang()
"""


@pytest.fixture
def stranger(start: Start, liveness: Liveness) -> int:
    """A process of this user in a session of its own."""
    pid = start("stranger", _COUNTER)
    liveness.expect("stranger")
    liveness.wait_received("stranger", b"ready ")
    return pid


def _assert_untouched(liveness: Liveness) -> None:
    liveness.assert_alive("stranger")
    assert liveness.received("stranger") == b"ready "


#: An orphan of the session: its parent ends at once.
_ORPHAN = """
def orphan(*functions):
    pid = os.fork()
    if pid == 0:
        fork_into(*functions)
        os._exit(0)
    os.waitpid(pid, 0)

"""

FORMS = {
    "child": "fork_into(lambda: connect('child'))",
    "child in its own session": "fork_into(os.setsid, lambda: connect('child'))",
    "child in another group": "fork_into(lambda: os.setpgid(0, 0), lambda: connect('child'))",
    "child that ignores TERM": "fork_into(ignore, lambda: connect('child'))",
    "everybody ignores what can be ignored": "ignore(1, 2, 3, 15)\nfork_into(os.setsid, lambda: connect('child'))",
    "grandchild in its own session": (
        "fork_into(lambda: connect('middle'), ignore, lambda: fork_into(os.setsid, ignore, lambda: connect('child')))"
    ),
    "orphan in the session": "orphan(ignore, lambda: connect('child'))",
    "orphan in the session, in another group": "orphan(lambda: os.setpgid(0, 0), ignore, lambda: connect('child'))",
    "child of an orphan, in its own session": (
        "orphan(lambda: connect('middle'), lambda: fork_into(os.setsid, ignore, lambda: connect('child')))"
    ),
    "orphan in a session that a child leads": (
        "fork_into(os.setsid, lambda: connect('middle'), lambda: orphan(ignore, lambda: connect('child')))"
    ),
    "stopped child": (
        "fork_into(lambda: connect('child'), lambda: os.kill(os.getpid(), signal.SIGSTOP))\n"
        "os.waitpid(-1, os.WUNTRACED)"
    ),
    "stopped leader": "fork_into(lambda: connect('child'))\nos.kill(os.getpid(), signal.SIGSTOP)",
    "leader with another thread in charge": (
        "import threading\n"
        "fork_into(ignore, lambda: connect('child'))\n"
        "threading.Thread(target=hang).start()\n"
        "import ctypes\n"
        "ctypes.CDLL(None).pthread_exit(None)"
    ),
}


@pytest.mark.parametrize("grace_s", [0.0, 0.2])
@pytest.mark.parametrize("form", FORMS)
def test_the_answer_comes_when_every_process_of_the_family_is_dead(
    start: Start, liveness: Liveness, stranger: int, form: str, grace_s: float
) -> None:
    leader = start("tree", f"{_ORPHAN}ignore()\nconnect('leader')\n{FORMS[form]}\nhang()\n")
    liveness.expect("leader", "child")

    ended = _end(leader, grace_s=grace_s)

    liveness.assert_dead(*({"leader", "middle", "child"} & set(liveness._alive)))
    assert ended.survivors == ()
    assert leader in ended.stopped
    assert len(ended.stopped) >= 2
    assert stranger not in ended.stopped
    _assert_untouched(liveness)


def test_a_family_that_is_nobodys_child_is_ended(start: Start, liveness: Liveness) -> None:
    body = "import os\ndaemon(os.setsid, lambda: connect('leader').sendall(b'%d\\n' % os.getpid()), lambda: fork_into("
    start("launcher", body + "ignore, lambda: connect('child')))\n")
    liveness.expect("leader", "child")
    liveness.wait_received("leader", b"\n")

    ended = _end(int(liveness.received("leader")))

    liveness.assert_dead("leader", "child")
    assert ended.survivors == ()


def test_who_ends_at_the_polite_signal_is_not_killed_and_nobody_waits_longer(start: Start, liveness: Liveness) -> None:
    body = (
        "sock = connect('leader')\n"
        "def bye(*_): sock.sendall(b'bye'); os._exit(0)\n"
        "signal.signal(signal.SIGTERM, bye)\n"
        "sock.sendall(b'ready ')\n"
        "hang()\n"
    )
    leader = start("polite", body)
    liveness.expect("leader")
    liveness.wait_received("leader", b"ready ")

    began = time.monotonic()
    ended = _end(leader, grace_s=HELPER_LIFE_S)

    assert time.monotonic() - began < PATIENCE_S
    assert liveness.received("leader") == b"ready bye"
    assert ended == Ended((leader,), ())


def test_the_suspended_see_the_polite_signal(start: Start, liveness: Liveness) -> None:
    body = (
        "sock = connect('leader')\n"
        "def bye(*_): sock.sendall(b'bye'); os._exit(0)\n"
        "signal.signal(signal.SIGTERM, bye)\n"
        "sock.sendall(b'ready ')\n"
        "os.kill(os.getpid(), signal.SIGSTOP)\n"
        "hang()\n"
    )
    leader = start("suspended", body)
    liveness.expect("leader")
    os.waitid(os.P_PID, leader, os.WSTOPPED | os.WNOWAIT)

    _end(leader, grace_s=PATIENCE_S)

    assert liveness.received("leader") == b"ready bye"


#: Lives on by forking: no process of it lives longer than a moment. Ends when the test hangs up, or in the end.
_CHAIN = """
import select
ignore()
sock = connect("chain")
end = time.monotonic() + 60
while time.monotonic() < end and not select.select([sock], [], [], 0)[0]:
    if os.fork():
        os._exit(0)
"""

#: Forks children in sessions of their own, until the test hangs up; they share its connection.
_SPRINKLER = """
import select
ignore()
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
sock = connect("sprinkler")
for _ in range(2000):
    if select.select([sock], [], [], 0.001)[0]:
        break
    if os.fork() == 0:
        os.setsid()
        hang()
hang()
"""


def test_who_forks_while_being_killed_does_not_get_away(start: Start, liveness: Liveness, stranger: int) -> None:
    leader = start("sprinkler", _SPRINKLER)
    liveness.expect("sprinkler")

    ended = _end(leader, grace_s=0.1)

    assert ended.survivors == ()
    assert len(ended.stopped) > 1
    assert stranger not in ended.stopped
    liveness.assert_dead("sprinkler")
    _assert_untouched(liveness)


def test_a_session_whose_processes_live_only_to_fork_is_ended(start: Start, liveness: Liveness, stranger: int) -> None:
    leader = start("chain", f"{_ORPHAN}connect('leader')\norphan(lambda: exec({_CHAIN!r}, globals()))\nhang()\n")
    liveness.expect("leader", "chain")

    ended = _end(leader, grace_s=0.1)

    assert (ended.survivors, ended.certain) == ((), True)
    assert stranger not in ended.stopped
    liveness.assert_dead("leader", "chain")
    _assert_untouched(liveness)


def test_who_can_never_be_listed_is_caught_with_its_group(
    start: Start, liveness: Liveness, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = (
        f"{_ORPHAN}"
        "def leader():\n"
        "    orphan(ignore, lambda: connect('evader').sendall(b'%d\\n' % os.getpid()))\n"
        "    connect('leader').sendall(b'%d\\n' % os.getpid())\n"
        "daemon(os.setsid, leader)\n"
    )
    start("launcher", body)
    liveness.expect("leader", "evader")
    liveness.wait_received("leader", b"\n")
    liveness.wait_received("evader", b"\n")
    leader, evader = (int(liveness.received(name)) for name in ("leader", "evader"))
    everyone = census.everyone

    def everyone_but_the_evader() -> census.Census:
        """Stand in for a process that is another one at every look, unless it is suspended or dead.

        The dead stay listed until init collects their status, and some inits take their time.
        """
        processes, settled = everyone()
        seen = processes.get(evader)
        with contextlib.suppress(OSError):  # it has ended since it was listed
            if seen and seen.alive and "State:\tT" not in Path(f"/proc/{evader}/status").read_text():
                del processes[evader]
                settled = False
        return census.Census(processes, settled)

    monkeypatch.setattr(census, "everyone", everyone_but_the_evader)
    # A loaded machine may take longer than two seconds between two looks; no number is given away meanwhile.
    monkeypatch.setattr(family, "_TRUST_S", PATIENCE_S)
    ended = _end(leader, grace_s=0.3)

    assert ended == Ended((leader, evader), ())
    liveness.assert_dead("leader", "evader")


def test_where_members_may_have_been_missed_it_is_said(
    start: Start, liveness: Liveness, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader = start("leader", "connect('leader')\nhang()\n")
    liveness.expect("leader")
    everyone = census.everyone
    monkeypatch.setattr(census, "everyone", lambda: everyone()._replace(settled=False))

    # It is never certain, so all of this time passes; the kernel needs some of it to end the process.
    assert _end(leader, grace_s=0, patience_s=scaled(2.0)) == Ended((leader,), (), certain=False)


def _in_one_session(liveness: Liveness, start: Start, target: str) -> int:
    """Start a session in which a target with a child and an orphan lives beside others; returns the target's pid."""
    body = (
        f"{_ORPHAN}connect('shell')\n"
        "def target():\n"
        f"    {target}\n"
        "    sock = connect('target')\n"
        "    fork_into(lambda: connect('child'))\n"
        "    orphan(lambda: connect('orphan'))\n"
        "    sock.sendall(b'%d\\n' % os.getpid())\n"
        "fork_into(target)\n"
        "fork_into(lambda: os.setpgid(0, 0), lambda: connect('sibling'))\n"
        "hang()\n"
    )
    start("shell", body)
    liveness.expect("shell", "target", "child", "orphan", "sibling")
    liveness.wait_received("target", b"\n")
    return int(liveness.received("target"))


def test_who_leads_its_group_takes_the_groups_orphans_along_and_not_the_session(
    start: Start, liveness: Liveness
) -> None:
    ended = _end(_in_one_session(liveness, start, "os.setpgid(0, 0)"))

    liveness.assert_dead("target", "child", "orphan")
    liveness.assert_alive("shell", "sibling")
    assert (len(ended.stopped), ended.survivors) == (3, ())


def test_who_leads_nothing_takes_its_descendants_along_and_nobody_else(start: Start, liveness: Liveness) -> None:
    ended = _end(_in_one_session(liveness, start, "pass"))

    liveness.assert_dead("target", "child")
    liveness.assert_alive("shell", "sibling", "orphan")
    assert (len(ended.stopped), ended.survivors) == (2, ())


def test_survivors_are_named(start: Start, liveness: Liveness) -> None:
    leader = start("stubborn", "ignore()\nconnect('leader')\nfork_into(ignore, lambda: connect('child'))\nhang()\n")
    liveness.expect("leader", "child")

    ended = _end(leader, grace_s=0.05, patience_s=0)

    assert ended.stopped == ()
    assert ended.survivors[0] == leader
    assert len(ended.survivors) == 2
    liveness.assert_alive("leader", "child")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can start another user's processes")
def test_another_users_process_is_named_and_not_signalled(start: Start, liveness: Liveness) -> None:
    body = (
        "connect('leader')\n"
        "def other():\n"
        "    sock = connect('stranger')\n"
        f"    os.setresuid({_NOBODY}, {_NOBODY}, {_NOBODY})\n"
        "    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGALRM}:\n"
        "        signal.signal(number, lambda number, frame: sock.sendall(b'%d ' % number))\n"
        "    sock.sendall(b'ready ')\n"
        "fork_into(other)\n"
        "hang()\n"
    )
    leader = start("mixed", body)
    liveness.expect("leader", "stranger")
    liveness.wait_received("stranger", b"ready ")

    ended = _end(leader)

    assert ended.stopped == (leader,)
    assert len(ended.survivors) == 1
    _assert_untouched(liveness)
    with pytest.raises(PermissionError, match="another user"):
        _end(ended.survivors[0])
    _assert_untouched(liveness)


@pytest.mark.parametrize("who", ["init", "this process", "its parent"])
def test_init_this_process_and_its_ancestors_are_refused(who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []

    def send(seen: census.Seen, _: int) -> bool:
        sent.append(seen.pid)
        return True

    monkeypatch.setattr(census, "send", send)
    pid = {"init": 1, "this process": os.getpid(), "its parent": os.getppid()}[who]
    with pytest.raises(PermissionError):
        _end(pid)
    assert sent == []


#: An orphan lives, with a child of its own, in the session that the family's head leads. It, or a child of it that has
#: gone to another session, ends the family, and says who lives on.
_INSIDER = """
import os, signal, sys
signal.alarm(60)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
head = os.getpid()
child = os.fork()
if child:
    os.waitpid(child, 0)
    signal.pause()
if os.fork():
    os._exit(0)
signal.alarm(60)
orphan = os.getpid()
mate = os.fork()
if mate == 0:
    signal.alarm(60)
    signal.pause()
if sys.argv[1] == "another session" and (child := os.fork()):
    os.waitpid(child, 0)
    os.kill(mate, 9)
    os._exit(0)
if os.getpid() != orphan:
    os.setsid()
from mcp_background_job.processes.family import end_family
from mcp_background_job.processes.wrapper import ProcessWrapper
ended = end_family(ProcessWrapper(head), grace_s=0.1, patience_s=30)
print(head in ended.stopped, ended.survivors, ProcessWrapper(orphan).is_alive(), mate in ended.stopped)
os.kill(mate, 9)
"""


@pytest.mark.parametrize("place", ["the session", "another session"])
def test_who_lives_in_the_familys_session_or_below_one_who_does_is_spared_with_its_ancestors(place: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", _INSIDER, place], stdout=subprocess.PIPE, start_new_session=True)
    try:
        output, _ = child.communicate(timeout=PATIENCE_S)
    finally:
        child.kill()
    # From another session, the mate is one of the family's session like any other.
    assert output.decode().strip() == f"True () True {place == 'another session'}"


def test_sigkill_comes_again_until_nobody_is_left(
    start: Start, liveness: Liveness, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader = start("stubborn", "ignore()\nconnect('leader')\nfork_into(ignore, lambda: connect('child'))\nhang()\n")
    liveness.expect("leader", "child")
    send, misses = census.send, iter(range(3))

    def miss_at_first(seen: census.Seen, number: int) -> bool:
        return (number != signal.SIGKILL or next(misses, None) is None) and send(seen, number)

    monkeypatch.setattr(census, "send", miss_at_first)
    assert (len(_end(leader, grace_s=0).stopped), next(misses, None)) == (2, None)
    liveness.assert_dead("leader", "child")


def test_a_wrapper_of_an_ended_process_signals_nobody(liveness: Liveness) -> None:
    child = subprocess.Popen(liveness.holder("gone").split(), start_new_session=True)
    process = ProcessWrapper(child.pid)
    child.kill()
    child.wait(PATIENCE_S)

    assert end_family(process, grace_s=0.1, patience_s=PATIENCE_S) == Ended((), ())


def _reuse(pid: int) -> subprocess.Popen[bytes] | None:
    """Have the kernel give this pid to a new process; ``None`` where that is not allowed."""
    with contextlib.suppress(OSError):
        for _ in range(200):  # somebody else may start a process in between
            with open("/proc/sys/kernel/ns_last_pid", "w") as file:
                file.write(str(pid - 1))
            child = subprocess.Popen(["/bin/sleep", str(HELPER_LIFE_S)], start_new_session=True)
            if child.pid == pid:
                return child
            child.kill()
            child.wait(PATIENCE_S)
    return None


def test_a_pid_that_was_given_to_somebody_else_is_not_signalled(
    liveness: Liveness, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = subprocess.Popen(liveness.holder("gone").split(), start_new_session=True)
    liveness.expect("gone")  # takes an interpreter longer than the hundredth of a second that tells start times apart
    process = ProcessWrapper(child.pid)
    seen = process.look()
    assert seen
    child.kill()
    child.wait(PATIENCE_S)
    heir = _reuse(child.pid)
    if heir is None:
        pytest.skip("this system does not let us choose a pid")
    try:
        assert end_family(process, grace_s=0.1, patience_s=PATIENCE_S) == Ended((), ())
        assert not census.send(seen, signal.SIGKILL)
        monkeypatch.delattr(os, "pidfd_open", raising=False)
        assert not census.send(seen, signal.SIGKILL)
        assert heir.poll() is None
    finally:
        heir.kill()
        heir.wait(PATIENCE_S)


def test_a_session_whose_number_was_given_to_somebody_else_is_not_the_familys(liveness: Liveness) -> None:
    child = subprocess.Popen(liveness.holder("gone").split(), start_new_session=True)
    liveness.expect("gone")
    seen = ProcessWrapper(child.pid).look()
    assert seen
    family = _Family(seen)
    assert family.look() == [seen]
    child.kill()
    child.wait(PATIENCE_S)
    heir = _reuse(child.pid)
    if heir is None:
        pytest.skip("this system does not let us choose a pid")
    try:
        assert family.look() == []
        family.suspend_groups()
        assert family.result() == Ended((child.pid,), ())
        assert psutil.Process(heir.pid).status() != psutil.STATUS_STOPPED
    finally:
        heir.kill()
        heir.wait(PATIENCE_S)


@pytest.mark.parametrize("has_descriptors", [True, False])
def test_a_process_that_started_at_another_time_is_not_signalled(
    liveness: Liveness, stranger: int, monkeypatch: pytest.MonkeyPatch, *, has_descriptors: bool
) -> None:
    if not has_descriptors:
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    seen = census.look_up(stranger)
    assert seen
    assert not census.send(seen._replace(birth=seen.birth - 1), signal.SIGTERM)
    _assert_untouched(liveness)
    assert census.send(seen, signal.SIGUSR1)
    liveness.wait_received("stranger", b"ready %d " % signal.SIGUSR1)


def test_without_descriptors_of_processes_a_family_is_ended_all_the_same(
    start: Start, liveness: Liveness, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader = start("tree", "ignore()\nconnect('leader')\nfork_into(os.setsid, lambda: connect('child'))\nhang()\n")
    liveness.expect("leader", "child")
    monkeypatch.delattr(os, "pidfd_open")
    monkeypatch.setattr(census, "look_up", census._look_up_by_psutil)

    assert len(_end(leader).stopped) == 2

    liveness.assert_dead("leader", "child")
