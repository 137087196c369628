"""Lists of runs come from the index; only the runs that are shown, and those that live, are read."""

from __future__ import annotations

import os
import shutil

import pytest

from mcp_background_job.agents import records
from mcp_background_job.agents.catalog import Reference
from mcp_background_job.agents.life.results import Listed
from mcp_background_job.agents.records import Checkpoint, RunRecord
from mcp_background_job.agents.runs import RunManager
from mcp_background_job.app import build_runs
from mcp_background_job.config import load_settings
from mcp_background_job.core.naming import Asker
from mcp_background_job.core.run import RunStatus
from mcp_background_job.errors import AmbiguousNameError, ForeignNameError, InvalidRequestError, UnknownRunError
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobs.manager import JobManager

MANY = 130


@pytest.fixture
def runs(manager: JobManager) -> RunManager:
    return build_runs(manager, load_settings())


@pytest.fixture
def history(state_dir: str) -> StateDir:
    """Runs that ended long ago; every tenth of them failed."""
    state = StateDir(state_dir)
    for number in range(MANY):
        write_run(state, number, RunStatus.COMPLETED if number % 10 else RunStatus.FAILED)
    return state


def write_run(
    state: StateDir, number: int, status: RunStatus, *, agent_name: str = "", cwd: str = "/work", project: str = ""
) -> str:
    run_id = f"r{number:05d}"
    run = state.run(run_id)
    os.makedirs(run.path)
    record = RunRecord(
        run_id=run_id,
        job_id="jgone",
        backend="codex",
        role="worker",
        agent_name=agent_name or f"agent{number % 3}",
        session_id=f"s{number % 4}",
        session_mode="new",
        cwd=cwd,
        created_at=number,
        project=project,
    )
    records.store(run.record, record)
    records.store(run.checkpoint, Checkpoint(seq=1, status=status, updated_at=number, is_tidy=True))
    return run_id


def shown(listed: Listed) -> list[str]:
    return [run.record.run_id for run in listed.runs]


@pytest.mark.parametrize(
    ("choice", "numbers"),
    [
        ({}, range(MANY)),
        ({"status": "failed"}, range(0, MANY, 10)),
        ({"status": "running"}, range(0)),
        ({"backend": "gemini"}, range(0)),
        ({"cwd": "/work/../work/"}, range(MANY)),
    ],
)
@pytest.mark.usefixtures("history")
async def test_pages_of_chosen_runs_put_together_are_all_of_them(
    runs: RunManager, choice: dict[str, str], numbers: range
) -> None:
    found: list[str] = []
    offset: int | None = 0
    while offset is not None:
        listed = await runs.list(**choice, limit=7, offset=offset)
        found += shown(listed)
        assert listed.next_offset in (None, offset + 7)
        offset = listed.next_offset

    assert found == [f"r{number:05d}" for number in reversed(numbers)]


@pytest.mark.usefixtures("history")
async def test_only_what_is_shown_is_read(runs: RunManager, monkeypatch: pytest.MonkeyPatch) -> None:
    await runs.list()
    read: list[str] = []
    plain = records.read

    def counted(kind: type[RunRecord], path: str) -> RunRecord | None:
        read.append(os.path.dirname(path))
        return plain(kind, path)

    monkeypatch.setattr(records, "read", counted)
    listed = await runs.list(status="failed", limit=3)

    assert {os.path.basename(path) for path in read} == set(shown(listed))


async def test_runs_that_come_and_go_are_noticed(history: StateDir, runs: RunManager) -> None:
    await runs.list()
    newest = write_run(history, MANY, RunStatus.FAILED, agent_name="late")
    shutil.rmtree(history.run("r00120").path)

    assert shown(await runs.list(status="failed", limit=3)) == [newest, "r00110", "r00100"]
    assert (await runs.get(Reference(agent_name="late"))).record.run_id == newest
    shutil.rmtree(history.run(newest).path)
    with pytest.raises(UnknownRunError, match="late"):
        await runs.get(Reference(agent_name="late"))


async def test_a_name_means_the_newest_run_and_one_place(history: StateDir, runs: RunManager) -> None:
    assert (await runs.get(Reference(agent_name="agent1"))).record.run_id == "r00127"
    write_run(history, MANY, RunStatus.COMPLETED, agent_name="agent1", cwd="/elsewhere")

    with pytest.raises(InvalidRequestError, match="ambiguous"):
        await runs.get(Reference(agent_name="agent1"))
    found = await runs.get(Reference(agent_name="agent1", cwd="/elsewhere/"))
    assert found.record.run_id == f"r{MANY:05d}"


async def test_a_run_that_is_recorded_after_its_directory_was_seen_is_listed(
    history: StateDir, runs: RunManager
) -> None:
    os.makedirs(history.run("rlate").path)
    os.utime(history.runs, (1, 1))  # nothing else will change it
    assert "rlate" not in shown(await runs.list(limit=5))
    os.rmdir(history.run("rlate").path)
    run_id = write_run(history, 9999, RunStatus.COMPLETED)
    os.utime(history.runs, (1, 1))

    assert shown(await runs.list(limit=1)) == [run_id]


@pytest.mark.usefixtures("history")
async def test_an_index_that_is_lost_is_filled_again(runs: RunManager, manager: JobManager) -> None:
    before = shown(await runs.list(limit=MANY))
    await manager.index.call(lambda registry: registry.forget_runs(registry.run_ids()))
    await manager.index.call(lambda registry: registry.note_pass("runs", -5))

    assert shown(await runs.list(limit=MANY)) == before


async def test_an_agents_name_is_one_of_its_project(runs: RunManager, state_dir: str) -> None:
    state = StateDir(state_dir)
    for number, project in enumerate(["/src/shop", "/src/blog", "/src/blog", "/src/shop"]):
        write_run(state, number, RunStatus.COMPLETED, agent_name="fixer", project=project)
    alone = write_run(state, 9, RunStatus.COMPLETED, agent_name="alone", project="/src/shop")

    async def meant(name: str, project: str, *, changes: bool = False) -> str:
        asker = Asker(project, changes=changes)
        return (await runs.get(Reference(agent_name=name, asker=asker))).record.run_id

    for changes in (False, True):
        assert await meant("fixer", "/src/blog", changes=changes) == "r00002"
        assert await meant("shop/fixer", "/src/blog", changes=changes) == "r00003"
    with pytest.raises(AmbiguousNameError):
        await meant("fixer", "/src/wiki")
    assert await meant("alone", "") == alone
    with pytest.raises(ForeignNameError, match=alone):
        await meant("alone", "/src/blog", changes=True)
