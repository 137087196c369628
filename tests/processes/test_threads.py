"""Evidence about threads: what real ones show, and the rule over it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest

from mcp_background_job.processes import threads
from mcp_background_job.processes.threads import Activity, ThreadState, activity_of, all_idle, threads_of
from tests.conftest import Liveness
from tests.patience import PATIENCE_S

#: Time between two samples of a process; whoever works at all works in this time.
_BETWEEN_S = 0.05


def _can_see_wait_channels() -> bool:
    return any(state.wait_channel for state in activity_of(os.getppid()).threads.values())


needs_wait_channels = pytest.mark.skipif(not _can_see_wait_channels(), reason="wait channels are hidden here")

#: A server that waits for requests, with one thread that waits for a lock and a worker; it dies when it is told to.
_SERVER = """
import asyncio, select, socket, threading
lock = threading.Lock()
lock.acquire()
threading.Thread(target=lock.acquire, daemon=True).start()
dead = threading.Event()

def worker():
    {worker}

sock = connect("server")
thread = threading.Thread(target=worker, daemon=True)
thread.start()

async def main():
    loop = asyncio.get_running_loop()
    sock.setblocking(False)
    sock.send(b"%d\\n" % thread.native_id)
    while await loop.sock_recv(sock, 1):
        dead.set()
        thread.join()
        await loop.sock_sendall(sock, b"joined\\n")

asyncio.run(main())
"""


@contextlib.contextmanager
def _server(liveness: Liveness, worker: str) -> Generator[int]:
    child = subprocess.Popen(liveness.script("server", _SERVER.format(worker=worker)).split())
    try:
        liveness.expect("server")
        liveness.wait_received("server", b"\n")
        yield child.pid
    finally:
        liveness.end_all()
        child.wait(PATIENCE_S)


def _verdict(pid: int) -> bool | None:
    before = activity_of(pid)
    with contextlib.closing(os.fdopen(os.pidfd_open(pid))) as descriptor:
        import select  # noqa: PLC0415

        select.select([descriptor], [], [], _BETWEEN_S)
    return all_idle([before, activity_of(pid)])


def _becomes(pid: int, *, idle: bool) -> None:
    """Wait until two samples show it: a process that has just done something is not idle at once."""
    deadline = time.monotonic() + PATIENCE_S
    while _verdict(pid) is not idle:
        assert time.monotonic() < deadline, activity_of(pid)


@pytest.mark.real_process
@needs_wait_channels
def test_a_server_whose_worker_has_died_is_idle_and_the_worker_not_in_the_list(liveness: Liveness) -> None:
    with _server(liveness, "dead.wait()\n    sys.exit()") as pid:
        before = threads_of(pid)
        assert before == activity_of(pid).threads.keys()
        assert len(before) == 3
        worker = int(liveness.received("server"))
        assert worker in before
        liveness._alive["server"][0].send(b"x")
        liveness.wait_received("server", b"joined\n")
        deadline = time.monotonic() + PATIENCE_S
        while threads_of(pid) != before - {worker}:  # the kernel takes it off after whoever joined it is told
            assert time.monotonic() < deadline
        _becomes(pid, idle=True)


@pytest.mark.real_process
@needs_wait_channels
@pytest.mark.parametrize(
    "worker",
    ["while True: pass", "select.select([], [], [])", "import time; time.sleep(100)", "os.read(os.pipe()[0], 1)"],
)
def test_a_server_whose_worker_computes_or_waits_for_something_is_not_idle(liveness: Liveness, worker: str) -> None:
    with _server(liveness, worker) as pid:
        _becomes(pid, idle=False)
        for _ in range(5):
            assert _verdict(pid) is False


@pytest.mark.real_process
def test_a_process_that_computes_has_used_more_and_more_cpu(liveness: Liveness) -> None:
    with _server(liveness, "while True: pass") as pid:
        worker = int(liveness.received("server"))
        before = activity_of(pid)
        deadline = time.monotonic() + PATIENCE_S
        while activity_of(pid).threads[worker].cpu_s < before.threads[worker].cpu_s + 0.05:
            assert time.monotonic() < deadline
        after = activity_of(pid)
        assert after.cpu_s >= before.cpu_s + 0.05
        assert (after.pid, after.threads[worker].name[:6]) == (pid, "python")


def test_of_a_process_that_is_gone_nothing_is_known() -> None:
    child = subprocess.Popen(["/bin/true"])
    child.wait(PATIENCE_S)
    nothing = activity_of(child.pid)
    assert nothing == Activity(child.pid)
    assert threads_of(child.pid) == frozenset()
    assert all_idle([nothing, nothing]) is None


@pytest.mark.parametrize(
    ("text", "expected"), [("futex_do_wait", "futex_do_wait"), ("0", None), ("", None), (None, None)]
)
def test_a_wait_channel_that_cannot_be_read_is_unknown(tmp_path: Path, text: str | None, expected: str | None) -> None:
    if text is not None:
        (tmp_path / "wchan").write_text(text)
    assert threads._wait_channel(tmp_path) == expected


def test_where_the_kernel_does_not_count_nanoseconds_ticks_are_used(tmp_path: Path) -> None:
    assert threads._cpu_s(tmp_path, 3) == 3 / os.sysconf("SC_CLK_TCK")
    (tmp_path / "schedstat").write_text("1500000000 20 3\n")
    assert threads._cpu_s(tmp_path, 3) == 1.5


MAIN = ThreadState("S", 1.0, "do_epoll_wait", "python")
OTHER = ThreadState("S", 2.0, "futex_wait_queue", "python")
IDLE = {10: MAIN, 11: OTHER}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, True),
        ({10: replace(MAIN, wait_channel="ep_poll")}, True),
        ({11: replace(OTHER, wait_channel="futex_do_wait")}, True),
        ({12: ThreadState("S", 0.0, "do_sys_poll", "cuda-EvtHandlr")}, True),
        ({12: ThreadState("S", 0.0, "poll_schedule_timeout.constprop.0", "cuda00001400006")}, True),
        ({12: ThreadState("S", 0.0, "do_sys_poll", "python")}, False),
        ({12: ThreadState("S", 0.0, "hrtimer_nanosleep", "cuda-EvtHandlr")}, False),
        ({10: replace(MAIN, state="R", cpu_s=9.0, wait_channel=None)}, True),  # it serves requests, ours too
        ({11: replace(OTHER, wait_channel="ep_poll")}, False),
        ({11: replace(OTHER, wait_channel="hrtimer_nanosleep")}, False),
        ({11: replace(OTHER, state="D")}, False),
        ({11: replace(OTHER, wait_channel=None)}, None),
        ({10: replace(MAIN, wait_channel=None), 11: replace(OTHER, state="D")}, False),
    ],
)
def test_the_rule_of_idleness(changed: dict[int, ThreadState], expected: bool | None) -> None:  # noqa: FBT001
    changed_one = Activity(10, "S", 3.0, IDLE | changed)
    assert all_idle([changed_one, changed_one]) is expected
    if changed and 12 not in changed:
        assert all_idle([NORMAL, changed_one]) is expected
        assert all_idle([changed_one, NORMAL]) is expected


NORMAL = Activity(10, "S", 3.0, IDLE)


@pytest.mark.parametrize(
    "after",
    [
        Activity(10, "S", 3.0, IDLE | {11: replace(OTHER, cpu_s=2.0 + 2 * threads.WORKING_S)}),
        Activity(10, "S", 3.0, {10: MAIN}),
        Activity(10, "S", 3.0, IDLE | {12: OTHER}),
        Activity(11, "S", 3.0, IDLE),
    ],
)
def test_threads_that_have_worked_begun_or_ended_are_not_idle(after: Activity) -> None:
    assert all_idle([NORMAL, after]) is False


def test_a_thread_that_only_wakes_now_and_then_is_idle() -> None:
    woken = [Activity(10, "S", 3.0, IDLE | {11: replace(OTHER, cpu_s=2.0 + 0.0001 * wakes)}) for wakes in range(5)]
    assert all_idle(woken) is True


def test_a_thread_that_works_a_little_all_the_time_is_not_idle_over_a_longer_window() -> None:
    working = [Activity(10, "S", 3.0, IDLE | {11: replace(OTHER, cpu_s=2.0 + 0.002 * sample)}) for sample in range(4)]
    assert all_idle(working[:2]) is True
    assert all_idle(working) is False


def test_a_thread_about_to_run_is_judged_by_what_it_uses_and_one_that_always_is_works() -> None:
    runnable = Activity(10, "S", 3.0, IDLE | {11: replace(OTHER, state="R", wait_channel=None)})
    assert all_idle([NORMAL, runnable]) is True
    assert all_idle([runnable, NORMAL]) is True
    assert all_idle([runnable, runnable]) is False


def test_a_thread_that_has_ended_is_forgotten_once_two_samples_lack_it() -> None:
    ended = Activity(10, "S", 3.0, {10: MAIN})
    assert all_idle([NORMAL, ended]) is False
    assert all_idle([NORMAL, ended, ended]) is True
