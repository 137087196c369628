"""Jobs whose nodes nobody here sees: what came in a parcel runs, and what came of it is fetched, or told in the end."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import time
from pathlib import Path

import pytest

from mcp_background_job.core.states import Outcome, State
from mcp_background_job.errors import EngineUnreachableError
from mcp_background_job.executors.places import Places
from mcp_background_job.executors.ray.place import RayPlace
from mcp_background_job.executors.ray.rest import Head
from mcp_background_job.jobdir import parcels
from mcp_background_job.jobdir.control import NoRunnerError
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobdir.log.format import Stream
from mcp_background_job.jobdir.records import Spec, StopRequest
from mcp_background_job.jobs.waiting.turns import Turns
from tests.nodes.support import pythons
from tests.patience import PATIENCE_S, until
from tests.places.memory import MemoryNames
from tests.ray.conftest import SpecOf
from tests.ray.fake import TOKEN, FakeRay
from tests.ray.test_submitting import seen

pytestmark = pytest.mark.real_process


#: Lines that a runner never prints.
_ODD = """\
mcp-bg: {
mcp-bg: []
mcp-bg: {"began": 5}
mcp-bg: {"file": "../../escape", "at": 0, "zlib": "eA=="}
mcp-bg: {"file": "output.log", "at": -1, "zlib": "eA=="}
mcp-bg: {"file": "output.log", "at": 0, "zlib": "!"}
mcp-bg: {"ended": {"outcome": "splendid"}}
mcp-bg: {"cut": true}
"""


def a_stop(grace_s: float = 1.0) -> StopRequest:
    return StopRequest(at=time.time(), by="somebody", why="enough", signal="SIGTERM", grace_s=grace_s)


async def running(place: RayPlace, ray: FakeRay, spec: Spec) -> str:
    """Launch a job and have Ray run it; returns Ray's id of it."""
    await place.launch(spec, wait_for_report=True)
    submission_id = ray.submissions[-1]
    ray.run(submission_id)

    async def is_running() -> bool:
        return seen(place, spec).state is State.RUNNING

    await until(is_running, "the job runs")
    return submission_id


def runner_of(stub: int) -> int:
    """Return the runner that what Ray has started waits for."""
    (runner,) = Path(f"/proc/{stub}/task/{stub}/children").read_text().split()
    return int(runner)


def log_of(place: RayPlace, spec: Spec) -> bytes:
    return place.store.read_log(spec.job_id, 0, 2**20).data


async def test_what_nobody_has_watched_is_told_in_the_end(place: RayPlace, spec_of: SpecOf, ray: FakeRay) -> None:
    spec = spec_of(
        r'printf "\377\n"; echo err >&2; echo $OMP_NUM_THREADS.$NODE.$OWN.$RAY_JOB_STOP_WAIT_TIME_S; exit 9',
        env={"OWN": "mine"},
    )
    await place.launch(spec, wait_for_report=True)
    (submission_id,) = ray.submissions
    ray.run(submission_id)
    assert ray.end(submission_id) == 9
    assert ray.log_of(submission_id).isascii()  # Ray stumbles over anything else
    end = seen(place, spec).exit
    assert end is not None
    assert (end.outcome, end.exit_code) == (Outcome.FAILED, 9)
    assert log_of(place, spec).startswith(b"\xff\n")
    assert b"\n.n1.mine.\n" in log_of(place, spec)
    assert place.store.read_log(spec.job_id, 0, 100, Stream.STDERR).data == b"err\n"
    assert place.store.open_jobs() == []
    assert os.listdir(ray.temporary) == []  # nothing is left on the node


async def test_a_node_may_have_an_older_python(place: RayPlace, spec_of: SpecOf, ray: FakeRay) -> None:
    older = pythons().get("3.9")
    if older is None:
        pytest.skip("there is no Python 3.9 here")
    spec = spec_of("echo from an old one")
    await place.launch(spec, wait_for_report=True)
    ray.run(ray.submissions[0], older)
    assert ray.end(ray.submissions[0]) == 0
    assert seen(place, spec).outcome is Outcome.COMPLETED
    assert log_of(place, spec) == b"from an old one\n"


async def test_a_log_larger_than_what_is_told_keeps_its_end(place: RayPlace, spec_of: SpecOf, ray: FakeRay) -> None:
    spec = spec_of("seq 1 100000; echo the end")
    await place.launch(spec, wait_for_report=True)
    (submission_id,) = ray.submissions
    ray.run(submission_id)
    ray.end(submission_id)
    seen(place, spec)
    piece = place.store.read_log_tail(spec.job_id, 8)
    assert piece.data == b"the end\n"
    assert place.store.log_extent(spec.job_id)[1] == sum(len(f"{number}\n") for number in range(1, 100001)) + 8


async def test_what_is_watched_is_here_when_it_is_told(place: RayPlace, spec_of: SpecOf, ray: FakeRay) -> None:
    spec = spec_of('read line; echo "got $line"; read line; exit 3', stdin="pipe")
    submission_id = await running(place, ray, spec)
    async with asyncio.timeout(PATIENCE_S), await place.connect(spec.job_id) as channel:
        watching = asyncio.create_task(channel.watch(0, leader_exited=False))
        async with await place.connect(spec.job_id) as other:
            assert await other.send_input(b"it\n", eof=False) is not None
        news = await watching
        assert news is not None
        assert log_of(place, spec) == b"got it\n"
        assert place.store.last_output_at(spec.job_id) is not None
        async with await place.connect(spec.job_id) as other:
            await other.send_input(b"end\n", eof=True)
        await channel.ended()
        assert seen(place, spec).outcome is Outcome.FAILED
    assert ray.end(submission_id) == 3
    with pytest.raises(NoRunnerError):
        await place.connect(spec.job_id)


async def test_whoever_waits_for_a_job_that_waits_is_told_when_it_begins(
    place: RayPlace, spec_of: SpecOf, ray: FakeRay
) -> None:
    spec = spec_of('read line; echo "got $line"', stdin="pipe")
    await place.launch(spec, wait_for_report=True)
    turns = Turns(Places([place], MemoryNames()))
    async with asyncio.timeout(PATIENCE_S):
        waiting = asyncio.create_task(turns.next(spec.job_id, seen(place, spec)))
        await asyncio.sleep(0)
        ray.run(ray.submissions[0])
        await waiting
    async with await place.connect(spec.job_id) as channel:
        await channel.send_input(b"in\n", eof=True)
    ray.end(ray.submissions[0])


async def test_a_job_on_a_terminal_and_its_use(place: RayPlace, spec_of: SpecOf, ray: FakeRay) -> None:
    spec = spec_of("tty; read line; echo $line", stdin="pty")
    submission_id = await running(place, ray, spec)

    async def is_seen() -> bool:
        async with await place.connect(spec.job_id):
            usage = await place.usage(spec.job_id)
        return usage is not None and usage.processes == 1

    await until(is_seen, "what it uses")
    assert not await place.port_is_open(spec.job_id, 1)
    async with await place.connect(spec.job_id) as channel:
        await channel.send_input(b"words\n", eof=False)
    ray.end(submission_id)
    end = seen(place, spec).exit
    assert end is not None
    assert end.outcome == Outcome.COMPLETED
    assert end.peak_memory > 0
    assert b"/dev/pts/" in log_of(place, spec)
    assert b"words\r\n" in log_of(place, spec)


@pytest.fixture
def marked() -> str:
    """An id that no other run of these tests on this machine gives its processes."""
    return f"j{secrets.token_hex(8)}"


async def test_a_runner_stops_its_job(place: RayPlace, spec_of: SpecOf, ray: FakeRay, marked: str) -> None:
    spec = spec_of("(trap '' TERM; setsid sleep 1000) & sleep 1000", env={"MCP_BG_JOB_ID": marked})
    submission_id = await running(place, ray, spec)
    assert (await place.cancel(spec.job_id, a_stop(0.2))).was_live
    end = seen(place, spec).exit
    assert end is not None
    assert end.outcome == Outcome.KILLED
    assert end.stop_requested is not None
    assert end.stop_requested.by == "somebody"
    assert ray.end(submission_id) == 128 + signal.SIGTERM
    assert not left_of(marked)


def left_of(job_id: str) -> list[str]:
    """Return the processes of a job that are left."""
    marker = f"MCP_BG_JOB_ID={job_id}".encode()
    found: list[str] = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            if marker in Path(f"/proc/{name}/environ").read_bytes():
                found.append(name)
        except OSError:
            continue
    return found


async def test_a_job_that_ray_stops_is_killed_and_says_so(place: RayPlace, spec_of: SpecOf, ray: FakeRay) -> None:
    spec = spec_of("sleep 1000")
    submission_id = await running(place, ray, spec)
    runner_pid = ray._runners[submission_id].pid
    for pid in (runner_pid, runner_of(runner_pid)):  # Ray signals all that it finds
        os.kill(pid, signal.SIGTERM)
    ray._runners[submission_id].wait(PATIENCE_S)
    ray.say(submission_id, "STOPPED")
    end = seen(place, spec).exit
    assert end is not None
    assert end.outcome == Outcome.KILLED
    assert "SIGTERM" in end.reason


async def test_nothing_is_left_when_what_ray_started_is_killed(
    place: RayPlace, spec_of: SpecOf, ray: FakeRay, marked: str
) -> None:
    spec = spec_of("setsid sleep 1000 & sleep 1000", env={"MCP_BG_JOB_ID": marked})
    submission_id = await running(place, ray, spec)
    os.killpg(ray._runners[submission_id].pid, signal.SIGKILL)  # as Ray does when its own process dies
    ray._runners[submission_id].wait(PATIENCE_S)
    ray.say(submission_id, "FAILED", error_type="JOB_SUPERVISOR_ACTOR_DIED", message="it died")

    async def is_over() -> bool:
        return seen(place, spec).state is State.EXITED

    await until(is_over, "the end")
    assert seen(place, spec).outcome is Outcome.KILLED
    assert not left_of(marked)


async def test_a_runner_that_lives_is_believed_whatever_ray_says(
    place: RayPlace, spec_of: SpecOf, ray: FakeRay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_background_job.executors.ray.seeing.SHOWS_AFTER_S", -1.0)
    monkeypatch.setattr("mcp_background_job.executors.ray.seeing._SIGN_OF_LIFE_S", 0.5)
    spec = spec_of("read line; exit 0", stdin="pipe")
    submission_id = await running(place, ray, spec)
    ray.say(submission_id, "FAILED", error_type="JOB_SUPERVISOR_ACTOR_DIED")
    assert seen(place, spec).state is State.RUNNING
    known = dict(ray.jobs)
    ray.forget()
    assert seen(place, spec).state is State.RUNNING
    ray.jobs |= known
    async with await place.connect(spec.job_id) as channel:
        await channel.send_input(b"go\n", eof=True)
        await channel.ended()
    ray._runners[submission_id].wait(PATIENCE_S)
    assert seen(place, spec).outcome is Outcome.COMPLETED


async def test_a_job_whose_runner_is_killed_is_lost(
    place: RayPlace, spec_of: SpecOf, ray: FakeRay, marked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_background_job.executors.ray.seeing.SHOWS_AFTER_S", -1.0)
    spec = spec_of("exec sleep 1000", env={"MCP_BG_JOB_ID": marked})
    submission_id = await running(place, ray, spec)
    stub = ray._runners[submission_id].pid
    os.kill(runner_of(stub), signal.SIGKILL)
    ray.end(submission_id)
    one = seen(place, spec)
    assert one.outcome is Outcome.LOST
    assert one.exit is not None
    assert "its runner has not reported how it ended" in one.exit.reason
    for pid in left_of(marked):
        os.kill(int(pid), signal.SIGKILL)


@pytest.mark.parametrize("has_begun", [True, False])
async def test_nothing_is_submitted_to_stop_what_ray_has_lost(
    place: RayPlace, spec_of: SpecOf, ray: FakeRay, *, has_begun: bool
) -> None:
    spec = spec_of("sleep 1000")
    if has_begun:
        submission_id = await running(place, ray, spec)
        stub = ray._runners[submission_id]
        os.kill(runner_of(stub.pid), signal.SIGTERM)  # it ends its job, and nobody hears of it
        stub.wait(PATIENCE_S)
    else:
        await place.launch(spec, wait_for_report=True)
    ray.forget()
    assert not (await place.cancel(spec.job_id, a_stop())).survivors
    assert ray.submissions == []
    assert seen(place, spec).outcome is (Outcome.LOST if has_begun else Outcome.KILLED)


async def test_a_silent_head_holds_up_nobody_who_stops_a_job(
    place: RayPlace, spec_of: SpecOf, ray: FakeRay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_background_job.executors.ray.rest.LOGS_S", 2 * PATIENCE_S)
    monkeypatch.setattr("mcp_background_job.executors.ray.channel._LOG_S", 0.2)
    spec = spec_of("exec sleep 1000")
    await running(place, ray, spec)
    ray.is_silent = True  # for a whole patience
    async with asyncio.timeout(PATIENCE_S / 2):
        assert (await place.cancel(spec.job_id, a_stop())).was_live
    one = place.seen(spec.job_id)
    assert one is not None
    assert one.outcome is Outcome.KILLED


async def test_a_silent_head_makes_what_is_shown_old_and_nothing_wrong(
    place: RayPlace, spec_of: SpecOf, ray: FakeRay, root: StateDir
) -> None:
    spec = spec_of("read line; echo $line", stdin="pipe")
    submission_id = await running(place, ray, spec)
    waits = spec_of()
    await place.launch(waits, wait_for_report=True)
    seen(place, waits)
    address_of_head = ray.address
    other = RayPlace(root, Head("http://127.0.0.1:9", TOKEN), poll_s=0.0)
    other._watcher._engine = other._head = Head("http://127.0.0.1:9", TOKEN)
    other._seeing._cluster = address_of_head
    found = other.look([spec.job_id, waits.job_id])
    assert {one.state for one in found.values()} == {State.RUNNING, State.QUEUED}
    assert await other.cancel(spec.job_id, a_stop()) is not None  # its runner needs no head
    with pytest.raises(EngineUnreachableError, match="nothing was stopped"):
        await other.cancel(waits.job_id, a_stop())
    assert other.look([waits.job_id])[waits.job_id].state is State.QUEUED
    await other.finish()
    other.close()
    assert place.store.is_over(spec.job_id)
    ray.end(submission_id)
    await place.tend()  # what was withdrawn is, as soon as Ray answers
    await place._background.finish()
    assert seen(place, waits).outcome is Outcome.KILLED


async def test_a_job_that_waits_never_runs_once_it_is_withdrawn(
    place: RayPlace, spec_of: SpecOf, ray: FakeRay, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    spec = spec_of(f"touch {marker}")
    await place.launch(spec, wait_for_report=True)
    (submission_id,) = ray.submissions
    assert (await place.cancel(spec.job_id, a_stop())).was_live
    end = seen(place, spec).exit
    assert end is not None
    assert (end.outcome, end.started_at) == (Outcome.KILLED, None)
    canceller = next(job for job in ray.jobs.values() if "withdraws" in job["metadata"])
    assert canceller["metadata"]["withdraws"] == submission_id
    assert not [name for name in canceller if name.startswith("entrypoint_num")]  # it must not wait itself
    ray.run(submission_id)  # although: its package runs nothing any more
    assert ray.end(submission_id) == 128 + signal.SIGTERM
    assert not marker.exists()


async def test_a_stranger_with_our_id_is_left_alone(place: RayPlace, spec_of: SpecOf, ray: FakeRay) -> None:
    spec = spec_of()
    ray.take({"submission_id": "another", "metadata": {"mcp_bg_job": spec.job_id}})
    ray.say("another", "SUCCEEDED")
    ray.logs["another"] = 'mcp-bg: {"ended": {"outcome": "completed", "ended_at": 5.0, "exit_code": 0}}\n'
    await place.launch(spec, wait_for_report=True)
    assert seen(place, spec).state is State.QUEUED
    ray.say("another", "RUNNING")
    await place.cancel(spec.job_id, a_stop())
    assert ray.jobs["another"]["status"] == "RUNNING"
    assert not [asked for asked in ray.asked if "another" in asked]


async def test_lines_that_a_log_should_not_have_are_passed_over(place: RayPlace, spec_of: SpecOf, ray: FakeRay) -> None:
    spec = spec_of()
    await place.launch(spec, wait_for_report=True)
    (submission_id,) = ray.submissions
    ray.logs[submission_id] = _ODD
    ray.say(submission_id, "SUCCEEDED")
    assert seen(place, spec).outcome is Outcome.LOST
    assert "escape" not in os.listdir(place.store.state.path)


def test_a_piece_of_a_log_is_bounded() -> None:
    (line,) = parcels.pieces("output.log", 0, b"x" * parcels.PIECE)
    (said,) = parcels.told(line.decode())
    piece = parcels.piece_in(said)
    assert piece is not None
    assert len(piece[2]) == parcels.PIECE


async def test_a_node_that_does_not_answer_is_given_time_before_its_job_is_lost(
    place: RayPlace, spec_of: SpecOf, ray: FakeRay, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of()
    await place.launch(spec, wait_for_report=True)
    (submission_id,) = ray.submissions
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and says nothing
        port = silent.getsockname()[1]
        ray.logs[submission_id] = f'mcp-bg: {{"began": {{"node": "n1", "host": "127.0.0.1", "port": {port}}}}}\n'
        ray.say(submission_id, "RUNNING", driver_agent_http_address="http://n1:1")
        monkeypatch.setattr("mcp_background_job.executors.nodes.fetching.ANSWER_S", 0.1)
        assert seen(place, spec).state is State.STARTING
        ray.say(submission_id, "FAILED", error_type="JOB_SUPERVISOR_ACTOR_DIED", message="its node died")
        assert seen(place, spec).state is State.STARTING
        monkeypatch.setattr("mcp_background_job.executors.ray.place._GRACE_S", 0.0)
        one = seen(place, spec)
    assert one.outcome is Outcome.LOST
    assert one.exit is not None
    assert "its node died" in one.exit.reason
