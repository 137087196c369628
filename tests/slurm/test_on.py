"""A job is put on a cluster by one argument, and who has no cluster sees nothing of it."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client

from mcp_background_job.app import build
from mcp_background_job.config import load_settings
from mcp_background_job.core.news import Reader, Way
from mcp_background_job.errors import ConfigError, InvalidRequestError
from mcp_background_job.executors.nodes import watcher
from mcp_background_job.executors.slurm.place import SlurmPlace
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobs.endings import Endings
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import StartRequest
from mcp_background_job.server.build import build_server
from tests.patience import until
from tests.server.calls import Caller
from tests.slurm.fake import FakeSlurm, claimed, ended, runs

#: Prints which of our modules are loaded that have to do with clusters.
_LOADED = """
import sys
from mcp_background_job.app import build
from mcp_background_job.config import load_settings
from mcp_background_job.core.news import Reader, Way
build(load_settings()).close()
print([name for name in sys.modules if "executors.slurm" in name])
"""


@pytest.fixture
def sbatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Put a program of this name on the PATH, and nothing else of Slurm's."""

    def sbatch() -> None:
        directory = tmp_path / "bin"
        directory.mkdir()
        program = directory / "sbatch"
        program.write_text("#!/bin/sh\nexit 1\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{directory}:/nowhere")

    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("MCP_BG_PLACES", "auto")
    return sbatch


@pytest.fixture
async def managed(state_dir: str, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[JobManager]:
    """A manager of this machine and a Slurm that is none."""
    monkeypatch.setenv("MCP_BG_PLACES", "slurm")
    monkeypatch.setattr(watcher, "PATIENCE_S", 60.0)
    manager = build(load_settings(state_dir=state_dir, slurm_poll_s="1"))
    place = manager.places.named("slurm")
    assert isinstance(place, SlurmPlace)
    place._commands = place._submitting._commands = place._watcher._engine = slurm
    yield manager
    await manager.places.finish()
    manager.close()


async def arguments_of(manager: JobManager) -> dict[str, Any]:
    async with Client(build_server(manager, load_settings())) as client:
        (tool,) = [tool for tool in await client.list_tools() if tool.name == "execute_command"]
    return tool.input_schema["properties"]


async def test_the_argument_is_offered_where_there_is_a_cluster_only(
    state_dir: str, sbatch: Callable[[], None]
) -> None:
    del state_dir
    alone = build(load_settings())
    without = await arguments_of(alone)
    alone.close()
    sbatch()
    beside = build(load_settings())
    assert beside.places.names == ["local", "slurm"]
    offered = await arguments_of(beside)
    beside.close()
    assert "on" in offered
    assert {name: offered[name] for name in without} == without
    assert len(str(offered["on"])) / 4 <= 60


def test_a_machine_without_a_cluster_loads_nothing_of_it(state_dir: str, sbatch: Callable[[], None]) -> None:
    del state_dir, sbatch
    done = subprocess.run([sys.executable, "-c", _LOADED], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_jobs_of_a_cluster_are_seen_without_its_programs(state_dir: str, sbatch: Callable[[], None]) -> None:
    del sbatch
    (Path(state_dir) / "slurm").mkdir(parents=True)
    manager = build(load_settings())
    assert manager.places.names == ["local", "slurm"]
    manager.close()


@pytest.mark.parametrize(
    ("on", "words"),
    [
        ("ray", "there is no place 'ray' here, only local, slurm"),
        ("slurm nodes=2", "'nodes=2' cannot be asked of Slurm"),
        ("local gpus=1", "'gpus=1' cannot be asked of this machine"),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_is_written(managed: JobManager, on: str, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        await managed.start(StartRequest(command="true", on=on), client="test")
    assert managed.places.discover() == set()


async def test_a_job_runs_behind_jobs_of_its_own_place_only(managed: JobManager, slurm: FakeSlurm) -> None:
    job = (await managed.start(StartRequest(command="true", on="slurm"), client="test")).job
    with pytest.raises(InvalidRequestError, match=f"job {job.job_id} is at slurm, and this one would be at local"):
        await managed.start(StartRequest(command="true", after=(job.job_id,)), client="test")
    await managed.start(StartRequest(command="true", after=(job.job_id,), on="slurm"), client="test")
    assert "--dependency=afterok:800" in slurm.submissions[-1]


async def test_a_restart_asks_for_the_same_place(managed: JobManager, slurm: FakeSlurm) -> None:
    job = (await managed.start(StartRequest(command="true", on="slurm  gpus=2", name="a"), client="test")).job
    store = managed.places.store_of(job.job_id)
    place = managed.places.named("slurm")
    assert isinstance(place, SlurmPlace)
    claimed(place.store.job(job.job_id), "800")
    ended(place.store.job(job.job_id))
    again = (await managed.restart(job.job_id, client="test")).job
    assert managed.places.of(again.job_id).name == "slurm"
    spec = store.spec(again.job_id)
    assert spec is not None
    assert spec.on == "slurm gpus=2"
    assert "--gres=gpu:2" in slurm.submissions[-1]


async def test_where_a_job_is_and_why_it_waits_is_told(managed: JobManager, slurm: FakeSlurm) -> None:
    async with Client(build_server(managed, load_settings())) as client:
        caller = Caller(client)
        said = await caller.facts("execute_command", command="true", on="slurm gpus=1", name="train", wait_s=0.1)
        assert said["status"] == "queued"
        status = await caller.facts("get_job_status", job_id="train")
        assert status["engine"] == "Slurm 800, 1 GPU"

        async def says_why() -> bool:  # a server that begins may have asked Slurm just before it had the job
            note = (await caller.facts("get_job_status", job_id="train")).get("note")
            return note == "waits in Slurm: other jobs come first (Priority)"

        await until(says_why, "why it waits")
        slurm.is_silent = True
        (row,) = (await caller.facts("list_jobs"))["jobs"]
        assert (row["engine"], row["status"]) == ("Slurm 800, 1 GPU", "queued")
        killed = await caller.facts("kill_job", job_id="train")
        assert killed["status"] == "killed"


async def test_a_list_looks_once_at_each_job_that_lives(
    managed: JobManager, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    del slurm
    jobs = [(await managed.start(StartRequest(command="true", on="slurm"), client="test")).job for _ in range(3)]
    (over, *live) = jobs
    place = managed.places.named("slurm")
    assert isinstance(place, SlurmPlace)
    claimed(place.store.job(over.job_id), "800")
    ended(place.store.job(over.job_id))
    now = [await managed.find(job.job_id) for job in jobs]
    looked: Counter[str] = Counter()
    look = place.look

    def counted(job_ids: Collection[str]) -> dict[str, Observation]:
        looked.update(job_ids)
        return look(job_ids)

    monkeypatch.setattr(place, "look", counted)
    notes, engines = await managed.remarks(now)
    assert set(notes) == {job.job_id for job in live}
    assert engines == {job.job_id: f"Slurm {800 + n}{' on n1' * (n == 0)}" for n, job in enumerate(jobs)}
    assert looked == dict.fromkeys((job.job_id for job in jobs), 1)


@pytest.mark.usefixtures("impatient")
async def test_a_lost_job_that_tells_how_it_ended_is_told_anew_although_nobody_looks_at_it(
    managed: JobManager, slurm: FakeSlurm
) -> None:
    job = (await managed.start(StartRequest(command="true", on="slurm", name="fit"), client="test")).job
    reader, place = Reader("me"), managed.places.named("slurm")
    assert isinstance(place, SlurmPlace)
    managed.news.expect(reader, [job.job_id])
    runs(place.store.job(job.job_id), "800")
    slurm.say("800", "NODE_FAIL", "n1")

    async def told() -> list[str]:
        return [line.partition(",")[0] for line in await managed.news.to_tell(reader, Way.ANSWER)]

    first: list[str] = []

    async def is_told() -> bool:  # a job counts as live for readers until its mark is gone, a moment after it is lost
        await managed.recover()
        first.extend(await told())
        return bool(first)

    await until(is_told, "that it is lost")
    endings = Endings(managed.places)
    assert [one.status for one in await managed.list()] == ["lost"]
    assert await told() == []
    ended(place.store.job(job.job_id))
    assert [one.status for one in await managed.list()] == ["completed"]
    (anew,) = await told()
    assert ("lost" in first[0], "completed" in anew, len(first)) == (True, True, 1)
    assert await told() == []
    assert [(one.job_id, one.status) for one in endings.look()] == [(job.job_id, "completed")]
    assert endings.look() == []


def test_wishes_of_a_site_that_nobody_can_fulfil_are_told_at_once(state_dir: str) -> None:
    with pytest.raises(ConfigError, match="MCP_BG_SLURM_OPTIONS"):
        build(load_settings(state_dir=state_dir, places="slurm", slurm_options="gpu=1"))
