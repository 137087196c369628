"""The use cases, without processes: what can be done with jobs at any place."""

from __future__ import annotations

import asyncio
import signal

import pytest
import regex

from mcp_background_job.core.job import Job, JobChoice
from mcp_background_job.core.naming import Asker
from mcp_background_job.core.states import State
from mcp_background_job.core.waiting import Kind, Until, Why
from mcp_background_job.errors import (
    InvalidRequestError,
    JobEndedError,
    NameTakenError,
    StdinClosedError,
    SurvivorsError,
    UnknownJobError,
)
from mcp_background_job.executors.base import Cancelled
from mcp_background_job.jobdir.control import NoRunnerError
from mcp_background_job.jobdir.layout import RUN_ID_VARIABLE
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobdir.records import Spec, StopRequest
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import StartRequest
from mcp_background_job.jobs.waiting.wait import WaitRequest
from tests.patience import PATIENCE_S
from tests.places.memory import MemoryChannel, MemoryPlace


async def _started(manager: JobManager, *, client: str = "", **asked: object) -> Job:
    request = StartRequest(**{"command": "obeys", "stdin": "pipe", **asked})  # pyright: ignore[reportArgumentType]
    return (await manager.start(request, client=client)).job


async def _wait(manager: JobManager, job: Job, until: Until, **more: object) -> Why | None:
    request = WaitRequest(until=until, **{"wait_s": PATIENCE_S, **more})  # pyright: ignore[reportArgumentType]
    return (await manager.wait(job, request)).why


async def test_a_job_is_started_found_talked_to_and_ends(memory_manager: JobManager) -> None:
    job = await _started(memory_manager, name="web", client="me")
    assert (job.state, job.name, job.client) == (State.RUNNING, "web", "me")
    assert (await memory_manager.find("web", Asker(""))).job_id == job.job_id
    await memory_manager.send_input(job, b"say hello\nexit 4\n")
    now = await memory_manager.find(job.job_id)
    assert (now.status, now.exit_code) == ("failed", 4)
    assert (await memory_manager.tail(now)).text == "hello"
    assert (await memory_manager.page(now, max_bytes=100)).text == "hello"
    details = await memory_manager.details("web", Asker(""))
    assert (details.output_bytes, details.usage) == (6, None)
    assert details.log_path == f"memory:{job.job_id}"
    assert await memory_manager.details(job.job_id) == details


async def test_of_many_who_start_one_name_at_once_one_starts_it(memory_manager: JobManager) -> None:
    request = StartRequest(command="obeys", name="web", stdin="pipe")
    started = await asyncio.gather(*(memory_manager.start(request) for _ in range(10)))
    assert len({each.job.job_id for each in started}) == 1
    assert sorted(each.existed for each in started) == [False] + 9 * [True]


async def test_restarts_under_one_name_leave_one_job_of_it(memory_manager: JobManager) -> None:
    request = StartRequest(command="obeys", name="web", stdin="pipe", if_running="restart")
    await asyncio.gather(*(memory_manager.start(request, client="me") for _ in range(5)))
    jobs = await memory_manager.list(JobChoice(name="web"))
    assert sorted(job.status for job in jobs) == 4 * ["killed"] + ["running"]


async def test_a_restart_keeps_what_was_asked(memory_manager: JobManager, memory_place: MemoryPlace) -> None:
    job = await _started(memory_manager, name="web", env={"A": "b"}, timeout_s=9.0)
    again = (await memory_manager.restart(job.job_id, client="me")).job
    assert (await memory_manager.find(job.job_id)).status == "killed"
    spec = memory_place.store.spec(again.job_id)
    assert spec is not None
    assert (spec.name, spec.env["A"], spec.timeout_s, spec.restarted_from) == ("web", "b", 9.0, job.job_id)


async def test_a_run_of_an_agent_is_not_restarted_as_a_job(memory_manager: JobManager) -> None:
    job = await _started(memory_manager, env={RUN_ID_VARIABLE: "r123"})
    with pytest.raises(InvalidRequestError, match="run r123"):
        await memory_manager.restart(job.job_id)
    assert (await memory_manager.find(job.job_id)).status == "running"


async def test_jobs_beyond_the_limit_wait_and_one_after_another_that_failed_never_runs(
    memory_manager: JobManager,
) -> None:
    first, second, third = [await _started(memory_manager) for _ in range(3)]
    fourth = await _started(memory_manager, after=(first.job_id,))
    assert [job.state for job in (second, third, fourth)] == [State.RUNNING, State.QUEUED, State.QUEUED]
    await memory_manager.send_input(first, b"exit 1\n")
    assert (await memory_manager.find(third.job_id)).status == "running"
    now = await memory_manager.find(fourth.job_id)
    assert (now.status, first.job_id in now.reason) == ("failed", True)
    assert [job.job_id for job in await memory_manager.list(JobChoice(statuses=("running",)))] == [
        third.job_id,
        second.job_id,
    ]


async def test_a_kill_says_what_became_of_the_job(memory_manager: JobManager) -> None:
    job = await _started(memory_manager)
    killed = await memory_manager.kill(job.job_id, by="me", signal="int")
    assert (killed.status, killed.job and killed.job.signal) == ("killed", "SIGINT")
    assert (await memory_manager.kill(job.job_id, by="me")).status == "already_terminated"
    assert (await memory_manager.kill("nobody", by="me")).status == "not_found"
    for grace_s in (-1.0, float("nan"), float("inf")):
        with pytest.raises(InvalidRequestError, match="grace"):
            await memory_manager.kill(job.job_id, by="me", grace_s=grace_s)


@pytest.mark.parametrize(("line", "status"), [("", "killed"), ("exit 0\n", "already_terminated")])
async def test_a_job_is_killed_even_if_the_answer_of_its_runner_is_lost(
    memory_manager: JobManager, memory_place: MemoryPlace, monkeypatch: pytest.MonkeyPatch, line: str, status: str
) -> None:
    job, cancel = await _started(memory_manager), memory_place.cancel

    async def with_a_lost_answer(job_id: str, request: StopRequest) -> Cancelled:
        if line:
            await memory_manager.send_input(job, line.encode())
        await cancel(job_id, request)
        return await cancel(job_id, request)

    monkeypatch.setattr(memory_place, "cancel", with_a_lost_answer)
    killed = await memory_manager.kill(job.job_id, by="me")
    assert (killed.status, killed.job and killed.job.state) == (status, State.EXITED)


async def test_a_job_that_is_given_no_time_is_not_said_to_have_been_asked(memory_manager: JobManager) -> None:
    job = await _started(memory_manager)
    killed = await memory_manager.kill(job.job_id, by="me", signal="int", grace_s=0)
    assert killed.job
    assert killed.job.signal == "SIGKILL"
    with pytest.raises(InvalidRequestError, match="'chld' stops no job"):
        await memory_manager.kill(job.job_id, by="me", signal="chld", grace_s=0)


async def test_survivors_of_a_kill_are_named(
    memory_manager: JobManager, memory_place: MemoryPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await _started(memory_manager)

    async def in_vain(job_id: str, request: StopRequest) -> Cancelled:
        del job_id, request
        return Cancelled(was_live=True, survivors=(41, 42))

    monkeypatch.setattr(memory_place, "cancel", in_vain)
    with pytest.raises(SurvivorsError, match="41, 42") as caught:
        await memory_manager.kill(job.job_id, by="me")
    assert caught.value.pids == (41, 42)


async def test_what_takes_no_input_says_why(memory_manager: JobManager) -> None:
    closed = await _started(memory_manager, stdin="closed")
    with pytest.raises(StdinClosedError, match="pipe"):
        await memory_manager.send_input(closed, b"x")
    await memory_manager.signal(closed, signal.SIGINT)
    with pytest.raises(JobEndedError, match="failed"):
        await memory_manager.send_input(closed, b"x")


async def test_input_for_a_job_that_is_just_starting_waits_for_it(
    memory_manager: JobManager, memory_place: MemoryPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await _started(memory_manager)
    connect, refusals = memory_place.connect, [1, 2, 3]

    async def connect_later(job_id: str) -> MemoryChannel:
        if refusals:
            raise NoRunnerError(f"not yet: {refusals.pop()}")
        return await connect(job_id)

    monkeypatch.setattr(memory_place, "connect", connect_later)
    await memory_manager.send_input(job, b"say heard\nexit 0\n")
    assert (await memory_manager.tail(job)).text == "heard"


async def test_input_for_a_queued_job_is_refused_at_once(memory_manager: JobManager) -> None:
    for _ in range(2):
        await _started(memory_manager)
    queued = await _started(memory_manager)
    with pytest.raises(JobEndedError, match="queued"):
        await memory_manager.send_input(queued, b"x")


async def test_a_mistyped_name_is_answered_with_the_nearest(memory_manager: JobManager) -> None:
    await _started(memory_manager, name="webserver")
    with pytest.raises(UnknownJobError, match="nearest: webserver"):
        await memory_manager.find("websever", Asker(""))


async def test_a_wait_ends_with_what_it_waits_for(memory_manager: JobManager, memory_place: MemoryPlace) -> None:
    job = await _started(memory_manager)
    until_line = WaitRequest(until=Until(Kind.REGEX), until_pattern=regex.compile("ready"), wait_s=PATIENCE_S)
    waiting = asyncio.create_task(memory_manager.wait(job, until_line))
    for _ in range(20):  # until it watches
        await asyncio.sleep(0.001)
    await memory_manager.send_input(job, b"say not yet\n")
    await memory_manager.send_input(job, b"say now ready\n")
    waited = await waiting
    assert (waited.why, waited.line) == (Why.MATCHED, "now ready")

    memory_place.open_ports = {8080: job.job_id, 9090: "another"}
    assert await _wait(memory_manager, job, Until(Kind.PORT, port=8080)) is Why.PORT
    foreign = await memory_manager.wait(job, WaitRequest(until=Until(Kind.PORT, port=9090), wait_s=0.05))
    assert (foreign.why, foreign.hint) == (Why.TIMEOUT, "port 9090 is open, but not by this job")
    assert await _wait(memory_manager, job, Until(Kind.OUTPUT), since=0) is Why.OUTPUT
    assert await _wait(memory_manager, job, Until(Kind.EXIT), wait_s=0.0) is Why.TIMEOUT
    await memory_manager.send_input(job, b"exit 0\n")
    assert await _wait(memory_manager, job, Until(Kind.EXIT)) is Why.EXIT


async def test_of_several_waits_the_first_end_counts(memory_manager: JobManager) -> None:
    jobs = [await _started(memory_manager) for _ in range(2)]
    request = WaitRequest(until=Until(Kind.EXIT), wait_s=PATIENCE_S)
    waiting = asyncio.create_task(memory_manager.wait_for_several([(job, request) for job in jobs], for_all=False))
    await asyncio.sleep(0)
    await memory_manager.send_input(jobs[1], b"exit 2\n")
    waited = await waiting
    assert [(each.why, each.job.status) for each in waited] == [(None, "running"), (Why.EXIT, "failed")]


async def test_a_job_whose_runner_died_is_cared_for(
    memory_manager: JobManager, memory_place: MemoryPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await _started(memory_manager)
    dead = Observation(state=State.RUNNING, sweep=True)
    monkeypatch.setattr(memory_place, "look", lambda job_ids: dict.fromkeys(job_ids, dead))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    await memory_manager.find(job.job_id)
    assert memory_place.cared_for == [job.job_id]


async def test_pruning_removes_what_ended_long_ago_and_nothing_else(
    memory_manager: JobManager, memory_place: MemoryPlace
) -> None:
    old, live = [await _started(memory_manager) for _ in range(2)]
    await memory_manager.send_input(old, b"exit 0\n")
    assert await memory_manager.prune(older_than_s=3600) == []
    assert await memory_manager.prune(older_than_s=-1.0) == [old.job_id]
    assert memory_place.store.discover() == {live.job_id}


async def test_lists_do_not_read_again_what_jobs_were_asked(
    memory_manager: JobManager, memory_place: MemoryPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command may have megabytes."""
    job = await _started(memory_manager, name="web")
    read: list[str] = []
    spec_of = memory_place.store.spec

    def spec(job_id: str) -> Spec | None:
        read.append(job_id)
        return spec_of(job_id)

    monkeypatch.setattr(memory_place.store, "spec", spec)

    for _ in range(3):
        await memory_manager.notes(await memory_manager.list())

    assert read == [job.job_id]


async def test_a_long_command_is_the_same_or_another_to_its_last_letter(memory_manager: JobManager) -> None:
    long = "x" * 5000
    first = await memory_manager.start(StartRequest(command=f"{long}1", name="web", stdin="pipe"))
    again = await memory_manager.start(StartRequest(command=f"{long}1", name="web", stdin="pipe"))
    assert (again.job.job_id, again.existed) == (first.job.job_id, True)
    with pytest.raises(NameTakenError):
        await memory_manager.start(StartRequest(command=f"{long}2", name="web", stdin="pipe"))
