"""Many who wait for the same cost what one costs."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.core.waiting import Kind, Until, Why
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.output import compile_regex
from mcp_background_job.jobs.waiting import hub, scan
from mcp_background_job.jobs.waiting.wait import WaitRequest
from tests.patience import WAIT_S, until
from tests.survival.support import start

pytestmark = pytest.mark.real_process

WAITERS = 50


class Calls:
    """Counts the calls of a method, and has them done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
        self.count = 0
        function = getattr(owner, name)

        def counted(*arguments: Any, **options: Any) -> Any:
            self.count += 1
            return function(*arguments, **options)

        monkeypatch.setattr(owner, name, counted)


def for_line(pattern: str, since: int = 0) -> WaitRequest:
    return WaitRequest(
        until=Until(Kind.REGEX, pattern=pattern),
        wait_s=WAIT_S,
        until_pattern=compile_regex(pattern, "until"),
        since=since,
    )


@pytest.fixture
def news_gather(monkeypatch: pytest.MonkeyPatch) -> None:
    """After some news of a job, more of them gather for as long as a test waits."""
    monkeypatch.setattr(hub, "_GATHER_S", WAIT_S)
    monkeypatch.setattr(hub, "_LONGEST_GATHER_S", WAIT_S)


def fifos(directory: Path, *names: str) -> list[Path]:
    """Make fifos: two, where one that is not yet closed would open for a second read too."""
    paths = [directory / name for name in names]
    for path in paths:
        os.mkfifo(path)
    return paths


FOR_THE_END = WaitRequest(until=Until(Kind.EXIT), wait_s=WAIT_S)


async def waiting(manager: JobManager, count: int) -> None:
    """Return when so many wait."""

    async def are_there() -> bool:
        return manager.hub.subscribers >= count

    await until(are_there, f"{count} waits")


async def test_all_who_wait_for_one_job_share_a_connection_and_a_search(
    manager: JobManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, end = fifos(tmp_path, "go", "end")
    job = await start(manager, f"echo begun; read line < {go}; echo ready; read line < {end}")
    connections = Calls(monkeypatch, manager.places, "connect")
    searches = Calls(monkeypatch, scan.Scanner, "scan")
    tasks = [asyncio.create_task(manager.wait(job, for_line("read[y]"))) for _ in range(WAITERS)]
    await waiting(manager, WAITERS)

    await asyncio.to_thread(go.write_text, "go\n")

    waited = await asyncio.gather(*tasks)
    assert {(one.why, one.line) for one in waited} == {(Why.MATCHED, "ready")}
    assert connections.count == 1
    assert searches.count < WAITERS / 5
    assert manager.hub.subscribers == 0
    await asyncio.to_thread(end.write_text, "end\n")


async def test_each_expression_is_found_where_it_stands_whoever_else_waits(manager: JobManager, tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    job = await start(manager, f"read line < {go}; echo one; echo two; echo three")
    requests = [for_line("one"), for_line("thre+"), for_line("two"), for_line("one", since=4), FOR_THE_END]
    tasks = [asyncio.create_task(manager.wait(job, request)) for request in requests]
    await waiting(manager, len(requests))

    await asyncio.to_thread(go.write_text, "go\n")

    waited = await asyncio.gather(*tasks)
    assert [one.line for one in waited] == ["one", "three", "two", None, None]
    assert [one.why for one in waited] == [Why.MATCHED, Why.MATCHED, Why.MATCHED, Why.EXIT, Why.EXIT]


async def test_a_waiter_that_gives_up_leaves_the_others_waiting(manager: JobManager, tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    job = await start(manager, f"read line < {go}; echo ready")
    gives_up = asyncio.create_task(manager.wait(job, for_line("ready")))
    stays = asyncio.create_task(manager.wait(job, FOR_THE_END))
    await waiting(manager, 2)

    gives_up.cancel()
    await asyncio.wait([gives_up])
    await asyncio.to_thread(go.write_text, "go\n")

    assert (await stays).why is Why.EXIT
    assert manager.hub.subscribers == 0


@pytest.mark.usefixtures("news_gather")
async def test_the_end_of_a_job_does_not_wait_until_output_has_gathered(manager: JobManager, tmp_path: Path) -> None:
    go, end = fifos(tmp_path, "go", "end")
    job = await start(manager, f"read line < {go}; echo working; read line < {end}")
    task = asyncio.create_task(manager.wait(job, for_line("never")))
    await waiting(manager, 1)
    await asyncio.to_thread(go.write_text, "go\n")

    async def has_printed() -> bool:
        return (await manager.tail(job)).text == "working"

    await until(has_printed, "output")

    await asyncio.to_thread(end.write_text, "end\n")

    async with asyncio.timeout(WAIT_S / 2):
        assert (await task).why is Why.EXIT


@pytest.mark.usefixtures("news_gather")
async def test_output_that_is_found_by_one_who_joins_is_told_to_those_who_wait(
    manager: JobManager, tmp_path: Path
) -> None:
    steps = fifos(tmp_path, "first", "second")
    job = await start(manager, f"for step in {steps[0]} {steps[1]}; do read line < $step; echo $line; done; sleep 1000")
    task = asyncio.create_task(manager.wait(job, for_line("second")))
    await waiting(manager, 1)
    async with manager.hub.watching(job.job_id, output=True) as watched:
        before = watched.output.count
        await asyncio.to_thread(steps[0].write_text, "first\n")
        await watched.output.beyond(before, WAIT_S)  # from here on, more output gathers
    await asyncio.to_thread(steps[1].write_text, "second\n")

    async def has_printed() -> bool:
        return (await manager.tail(job)).text == "first\nsecond"

    await until(has_printed, "output")

    async with manager.hub.watching(job.job_id, output=True), asyncio.timeout(WAIT_S / 2):
        assert (await task).line == "second"
    await manager.kill(job.job_id, by="me")


@pytest.mark.usefixtures("news_gather")
async def test_the_end_of_a_command_that_is_found_by_one_who_joins_is_told_to_those_who_wait(
    manager: JobManager, tmp_path: Path
) -> None:
    go, end = fifos(tmp_path, "go", "end")
    job = await start(manager, f"sleep 1000 & read line < {go}; echo working; read line < {end}")
    task = asyncio.create_task(manager.wait(job, FOR_THE_END))
    await waiting(manager, 1)
    async with manager.hub.watching(job.job_id, output=True) as watched:
        before = watched.output.count
        await asyncio.to_thread(go.write_text, "go\n")
        await watched.output.beyond(before, WAIT_S)  # from here on, more news gather
    await asyncio.to_thread(end.write_text, "end\n")

    async def has_ended() -> bool:
        status = (await manager.details(job.job_id)).seen.status
        return status is not None and status.leader_exit is not None

    await until(has_ended, "the end of the command")

    async with manager.hub.watching(job.job_id, output=False), asyncio.timeout(WAIT_S / 2):
        assert (await task).why is Why.LEFT_RUNNING
    await manager.kill(job.job_id, by="me")


async def test_those_who_wait_for_queued_jobs_share_the_look_at_the_queue(
    manager: JobManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    first = await start(manager, f"read line < {go}")
    queued = [await start(manager, "true", after=(first.job_id,)) for _ in range(WAITERS)]
    looks = Calls(monkeypatch, manager.places, "look")
    tasks = [asyncio.create_task(manager.wait(job, FOR_THE_END)) for job in queued]
    await waiting(manager, WAITERS)

    async def all_have_looked() -> bool:
        return looks.count >= WAITERS

    await until(all_have_looked, "a look at each job")
    while_they_wait = looks.count
    await asyncio.sleep(10 * 0.05)  # ten looks at the queue, none of them at a job
    assert looks.count == while_they_wait

    await asyncio.to_thread(go.write_text, "go\n")

    waited = await asyncio.gather(*tasks)
    assert {one.job.status for one in waited} == {"completed"}


async def test_what_is_shown_on_time_out_is_how_the_job_is_then(manager: JobManager, tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    job = await start(manager, f"read line < {go}")
    request = WaitRequest(until=Until(Kind.EXIT), wait_s=0.05)
    waited = await asyncio.gather(*[manager.wait(job, request) for _ in range(WAITERS)])
    assert {(one.why, one.job.status) for one in waited} == {(Why.TIMEOUT, "running")}
    await asyncio.to_thread(go.write_text, "go\n")
    assert (await manager.wait(job, FOR_THE_END)).why is Why.EXIT


async def test_what_goes_wrong_with_watching_is_told_to_those_who_wait(
    manager: JobManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    job = await start(manager, f"read line < {go}")

    async def broken(job_id: str) -> None:
        raise RuntimeError(f"no connection to {job_id}")

    monkeypatch.setattr(manager.places, "connect", broken)
    for _ in range(2):
        with pytest.raises(RuntimeError, match=job.job_id):
            await manager.wait(job, FOR_THE_END)
    monkeypatch.undo()
    await asyncio.to_thread(go.write_text, "go\n")
    assert (await manager.wait(job, FOR_THE_END)).why is Why.EXIT
