"""What is said of live jobs beside their status."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from mcp_background_job.core.aftermath import not_known
from mcp_background_job.core.job import Job
from mcp_background_job.core.waiting import Why, parse_until
from mcp_background_job.executors.usage import Usage
from mcp_background_job.executors.waits import Waits
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobdir.records import ChildExit, LeaderExit, StopRequest
from mcp_background_job.jobs.lastline import newest_since, unfinished_line
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.notes import STOPPED
from mcp_background_job.jobs.request import StartRequest
from mcp_background_job.jobs.waiting.wait import WaitRequest
from tests.patience import WAIT_S
from tests.places.memory import MemoryPlace


async def started(manager: JobManager, name: str | None = None, **asked: Any) -> Job:
    values: dict[str, Any] = {"command": "obeys", "stdin": "pipe", "name": name, **asked}
    request = StartRequest(**values)
    return (await manager.start(request)).job


async def note_of(manager: JobManager, job: Job) -> str | None:
    seen = manager.places.look([job.job_id])[job.job_id]
    return await manager.note(await manager.find(job.job_id), seen)


def leaves_running(place: MemoryPlace, job: Job, **more: Any) -> None:
    known = place.store.jobs[job.job_id]
    assert known.status
    left = LeaderExit(at=time.time(), exit_code=0)
    known.status = replace(known.status, leader_exit=left, **more)


def uses(place: MemoryPlace, monkeypatch: pytest.MonkeyPatch, used: Usage) -> None:
    async def usage(_job_id: str) -> Usage:
        return used

    monkeypatch.setattr(place, "usage", usage)


def waits(place: MemoryPlace, monkeypatch: pytest.MonkeyPatch, found: Waits | None) -> None:
    async def answer(_job_id: str) -> Waits | None:
        return found

    monkeypatch.setattr(place, "waits", answer)


async def test_a_queued_job_names_those_that_hold_the_room_and_the_setting(memory_manager: JobManager) -> None:
    web, other = await started(memory_manager, "web"), await started(memory_manager)
    queued = await started(memory_manager)
    note = await note_of(memory_manager, queued)
    assert note is not None
    assert note.startswith("starts when fewer than 2 jobs run (MCP_BG_MAX_JOBS); now run ")
    assert web.label in note
    assert other.label in note


async def test_of_own_jobs_none_holds_room(memory_manager: JobManager) -> None:
    own = await started(memory_manager, "ours", is_own=True)
    await started(memory_manager)
    await started(memory_manager)
    note = await note_of(memory_manager, await started(memory_manager))
    assert note
    assert own.job_id not in note


async def test_a_dependent_says_what_it_waits_for(
    memory_manager: JobManager, memory_place: MemoryPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = await started(memory_manager, "build")
    dependent = await started(memory_manager, after=("build",))
    assert await note_of(memory_manager, dependent) == f"starts when these have completed: {build.label} (running)"

    leaves_running(memory_place, build)
    uses(memory_place, monkeypatch, Usage(processes=1, cpu_s=0.0, memory=0, commands={41: "ssh-agent -s"}))
    note = await note_of(memory_manager, dependent)
    assert note
    assert f"{build.label} (shell exited 0, 1 background process alive: 41 `ssh-agent -s`; waiting" in note


async def ends(manager: JobManager, place: MemoryPlace, job: Job, reason: str = "") -> None:
    await manager.send_input(job, b"exit 0\n")
    known = place.store.jobs[job.job_id]
    assert known.exit
    known.exit = replace(known.exit, reason=reason)


async def test_a_dependent_says_that_not_all_went_well_before_it_while_it_runs_and_when_it_has_ended(
    memory_manager: JobManager, memory_place: MemoryPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits(memory_place, monkeypatch, None)
    db, lint = await started(memory_manager, "db"), await started(memory_manager, "lint")
    dependent = await started(memory_manager, after=("db", "lint"))
    await ends(memory_manager, memory_place, db, "background process 41 (`redis`) was ended by SIGABRT")
    await ends(memory_manager, memory_place, lint)
    told = f"started after {db.label} completed, but background process 41 (`redis`) was ended by SIGABRT"

    assert await note_of(memory_manager, dependent) == told
    assert (await memory_manager.details(dependent.job_id)).note == told

    await ends(memory_manager, memory_place, dependent)
    assert await note_of(memory_manager, dependent) == told
    assert (await memory_manager.details(dependent.job_id)).note == told


async def test_of_a_pipeline_before_it_a_dependent_says_what_is_not_known(
    memory_manager: JobManager, memory_place: MemoryPlace
) -> None:
    piped = await started(memory_manager, command="make | tee log")
    dependent = await started(memory_manager, after=(piped.job_id,))
    await ends(memory_manager, memory_place, piped, not_known("make"))
    await ends(memory_manager, memory_place, dependent)
    told = f"started after {piped.label} completed, but the exit code of a pipeline is that of its last stage: "
    assert await note_of(memory_manager, dependent) == told + "whether `make` failed is not known"


async def test_a_dependent_that_was_not_started_was_started_after_nothing(
    memory_manager: JobManager, memory_place: MemoryPlace
) -> None:
    good, bad = await started(memory_manager), await started(memory_manager)
    dependent = await started(memory_manager, after=(good.job_id, bad.job_id))
    await ends(memory_manager, memory_place, good, "an earlier stage of its pipeline exited 2")
    await memory_manager.send_input(bad, b"exit 1\n")
    assert await note_of(memory_manager, dependent) is None
    assert (await memory_manager.details(dependent.job_id)).note is None


async def test_a_dependent_of_what_is_gone_or_went_well_says_nothing(
    memory_manager: JobManager, memory_place: MemoryPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits(memory_place, monkeypatch, None)
    well, gone = await started(memory_manager), await started(memory_manager)
    dependent = await started(memory_manager, after=(well.job_id, gone.job_id))
    await ends(memory_manager, memory_place, well, "exit code 0")
    await ends(memory_manager, memory_place, gone, "background process 4 exited 1")
    memory_place.store.remove(gone.job_id)
    assert await note_of(memory_manager, dependent) is None


async def test_what_a_shell_left_is_named_and_counted(
    memory_manager: JobManager, memory_place: MemoryPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await started(memory_manager)
    leaves_running(memory_place, job, failures=[ChildExit(pid=7, command="db", exit_code=2)])
    commands = {pid: f"worker {pid}" for pid in range(50, 56)}
    uses(memory_place, monkeypatch, Usage(processes=30, cpu_s=0.0, memory=0, commands=commands))
    note = await note_of(memory_manager, job)
    assert note
    assert note.startswith(
        "shell exited 0, 30 background processes alive: 50 `worker 50`, 51 `worker 51`, 52 `worker 52` and 27 more; "
    )
    assert 'started with leftovers="kill"' in note
    assert note.endswith("; background process 7 (`db`) exited 2")


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({"leftovers": "kill"}, {}, 'they are being ended, since the job was started with leftovers="kill"'),
        (
            {},
            {"stop_requested": StopRequest(at=0.0, by="ann", why="enough", signal="SIGINT", grace_s=9.0)},
            "they are being ended: enough (SIGINT, asked by ann)",
        ),
    ],
)
async def test_what_is_being_ended_is_no_longer_to_be_waited_for_or_killed(
    memory_manager: JobManager, memory_place: MemoryPlace, asked: dict[str, Any], status: dict[str, Any], said: str
) -> None:
    job = await started(memory_manager, "build", **asked)
    dependent = await started(memory_manager, after=("build",))
    leaves_running(memory_place, job, **status)
    left = f"shell exited 0, 1 background process alive; {said}"
    assert await note_of(memory_manager, job) == left
    assert await note_of(memory_manager, dependent) == f"starts when these have completed: {job.label} ({left})"


async def test_a_wait_for_what_is_being_ended_goes_on_to_the_end(
    memory_manager: JobManager, memory_place: MemoryPlace
) -> None:
    request = WaitRequest(until=parse_until("exit"), wait_s=WAIT_S, from_start=True)
    kept = await started(memory_manager)
    leaves_running(memory_place, kept)
    assert (await memory_manager.wait(kept, request)).why is Why.LEFT_RUNNING

    ended = await started(memory_manager, leftovers="kill")
    leaves_running(memory_place, ended)
    assert (await memory_manager.wait(ended, replace(request, wait_s=0.1))).why is Why.TIMEOUT
    waiting = asyncio.create_task(memory_manager.wait(ended, request))
    await asyncio.sleep(0)
    await memory_manager.send_input(ended, b"exit 0\n")
    assert (await waiting).why is Why.EXIT


STANDSTILLS = [
    (Waits(how="read"), b"old\nContinue (y/n)? ", "waits for input: Continue (y/n)?"),
    (Waits(how="read"), b"all done\n", "waits for input"),
    (Waits(how="read", unread=3), b"Name: ", None),
    (Waits(how="poll", mode="line"), b"\x1b[1G\x1b[0J> \x1b[3G", "waits for input: >"),
    (Waits(how="poll", mode="line"), b"listening\n", None),
    (Waits(how="no"), b"Name: ", None),
    (None, b"Name: ", None),
]


async def test_a_job_that_stands_still_says_why(
    memory_manager: JobManager, memory_place: MemoryPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await started(memory_manager)
    for found, log, note in STANDSTILLS:
        memory_place.store.jobs[job.job_id].log = log
        waits(memory_place, monkeypatch, found)
        assert await note_of(memory_manager, job) == note
        assert (await memory_manager.notes([job])).get(job.job_id) == note


async def test_a_suspended_job_says_that_it_is_stopped(
    memory_manager: JobManager, memory_place: MemoryPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await started(memory_manager)

    def is_suspended(_seen: Observation) -> bool:
        return True

    monkeypatch.setattr(memory_place, "is_suspended", is_suspended)
    assert await note_of(memory_manager, job) == STOPPED


async def test_an_ended_job_has_no_note(memory_manager: JobManager) -> None:
    job = await started(memory_manager)
    await memory_manager.send_input(job, b"exit 0\n")
    assert await note_of(memory_manager, job) is None
    assert await memory_manager.notes([await memory_manager.find(job.job_id)]) == {}


def test_a_prompt_is_the_last_line_as_a_terminal_shows_it() -> None:
    assert unfinished_line(b"a\nb\n") == ""
    assert unfinished_line(b"50 %\r100 %\nsure? \x1b[1m[y]\x1b[0m ") == "sure? [y]"
    assert unfinished_line(b"") == ""


async def test_an_answer_is_read_from_where_it_began_or_its_end(
    memory_manager: JobManager, memory_place: MemoryPlace
) -> None:
    job = await started(memory_manager)
    memory_place.store.jobs[job.job_id].log = b"before|the answer"
    read = [newest_since(memory_place.store, job.job_id, offset, limit) for offset, limit in ((7, 99), (0, 6), (99, 9))]
    assert read == [b"the answer", b"answer", b""]
