"""A job ends with the job in which it was asked for, and what takes its place with the same, whoever asks for that."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from mcp_background_job.comfyui.batches.feeder_job import request_of
from mcp_background_job.comfyui.lifecycle.server_job import ServerJob
from mcp_background_job.comfyui.process.process import Baselines
from mcp_background_job.comfyui.process.server_record import ServerRecords
from mcp_background_job.comfyui.process.startup import Settings, Startup
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.comfyui.wire.endpoint import endpoint_of
from mcp_background_job.core.job import Job
from mcp_background_job.core.states import Outcome
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import ROOT, StartRequest
from tests.places.memory import MemoryPlace

#: Jobs that this process is taken to run in, one after the other.
ONE, OTHER = "jone22", "jother"


def works_in(manager: JobManager, parent: str | None) -> None:
    """Have jobs started from here belong to a job."""
    manager._policy = dataclasses.replace(manager._policy, parent=parent)
    manager.__dict__.pop("_starter", None)


async def started(manager: JobManager, **asked: object) -> Job:
    request = StartRequest(**{"command": "obeys", "name": "web", "stdin": "pipe", **asked})  # pyright: ignore[reportArgumentType]
    return (await manager.start(request)).job


def parent_of(place: MemoryPlace, job: Job) -> str | None:
    spec = place.store.spec(job.job_id)
    assert spec is not None
    return spec.parent


@pytest.mark.parametrize("first", [ONE, None])
@pytest.mark.parametrize("then", [OTHER, None])
async def test_a_job_that_is_started_again_keeps_its_parent(
    memory_manager: JobManager, memory_place: MemoryPlace, first: str | None, then: str | None
) -> None:
    works_in(memory_manager, first)
    job = await started(memory_manager)
    assert parent_of(memory_place, job) == first
    works_in(memory_manager, then)

    again = (await memory_manager.restart(job.job_id)).job
    assert again.job_id != job.job_id
    assert parent_of(memory_place, again) == first
    replaced = await started(memory_manager, if_running="restart")
    assert replaced.job_id != again.job_id
    assert parent_of(memory_place, replaced) == first
    assert parent_of(memory_place, await started(memory_manager, if_running="new")) == then


async def test_a_job_of_that_name_that_has_ended_gives_its_parent_to_nobody(
    memory_manager: JobManager, memory_place: MemoryPlace
) -> None:
    works_in(memory_manager, ONE)
    await memory_manager.kill((await started(memory_manager)).job_id, by="test")
    works_in(memory_manager, OTHER)
    assert parent_of(memory_place, await started(memory_manager, if_running="restart")) == OTHER


async def test_comfyui_and_feeders_belong_to_nobody_who_happens_to_start_them(
    memory_manager: JobManager, memory_place: MemoryPlace, tmp_path: Path
) -> None:
    works_in(memory_manager, ONE)
    client = Client(endpoint_of(None, "127.0.0.1", 8188))
    server = ServerJob(client, memory_manager, ServerRecords(tmp_path), Baselines(tmp_path), Settings())
    before = await started(memory_manager, name=None)
    job = await server.launch_after(Startup("obeys"), "test", before.job_id)
    assert parent_of(memory_place, job) is None
    await client.close()

    feeder = (await memory_manager.start(request_of("http://127.0.0.1:8188"))).job
    assert parent_of(memory_place, feeder) is None
    assert request_of("http://127.0.0.1:8188").parent == ROOT


@pytest.mark.parametrize("asker", [OTHER, None])
async def test_what_takes_the_place_of_a_job_that_ended_with_its_parent_belongs_to_whoever_asks(
    memory_manager: JobManager, memory_place: MemoryPlace, asker: str | None
) -> None:
    first = await started(memory_manager, name=None)
    works_in(memory_manager, first.job_id)
    job = await started(memory_manager)
    await memory_manager.kill(first.job_id, by="test")
    await memory_manager.kill(job.job_id, by="test")
    works_in(memory_manager, asker)
    assert parent_of(memory_place, (await memory_manager.restart(job.job_id)).job) == asker


async def test_a_chain_of_jobs_that_each_start_the_next_and_end_does_not_grow(
    memory_manager: JobManager, memory_place: MemoryPlace
) -> None:
    ids: list[str] = []
    for _ in range(5):
        ids.append((await started(memory_manager, name=None)).job_id)
        works_in(memory_manager, ids[-1])
        if len(ids) > 1:
            memory_place.store.jobs[ids[-2]].end(Outcome.COMPLETED)
    spec = memory_place.store.spec(ids[-1])
    assert spec is not None
    assert spec.ancestors == [ids[-2]]


async def test_of_its_ancestors_those_are_kept_that_it_still_may_end_with(
    memory_manager: JobManager, memory_place: MemoryPlace
) -> None:
    ids: list[str] = []
    for outcome in (None, Outcome.KILLED, Outcome.COMPLETED, None):
        ids.append((await started(memory_manager, name=None, if_running="new")).job_id)
        works_in(memory_manager, ids[-1])
        if outcome:
            memory_place.store.jobs[ids[-1]].end(outcome)
    spec = memory_place.store.spec((await started(memory_manager, name=None)).job_id)
    assert spec is not None
    assert spec.ancestors == [ids[3], ids[1], ids[0]]
