"""A place on a Ray that is a fake."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.app import build
from mcp_background_job.config import load_settings
from mcp_background_job.executors.nodes import watcher
from mcp_background_job.executors.ray import place as module
from mcp_background_job.executors.ray.place import RayPlace
from mcp_background_job.executors.ray.rest import Head
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobdir.records import Spec
from mcp_background_job.jobs.manager import JobManager
from tests.patience import PATIENCE_S
from tests.ray.cluster import Ray
from tests.ray.fake import TOKEN, FakeRay

SpecOf = Callable[..., Spec]
Managers = Callable[..., JobManager]


@pytest.fixture
def ray(tmp_path: Path) -> Generator[FakeRay]:
    directory = tmp_path / "nodes"
    directory.mkdir()
    fake = FakeRay(directory)
    yield fake
    fake.stop()


@pytest.fixture
def root(tmp_path: Path) -> StateDir:
    return StateDir(str(tmp_path / "root"))


@pytest.fixture
async def place(ray: FakeRay, root: StateDir, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[RayPlace]:
    """A place that asks Ray at every look, and waits for the answer."""
    monkeypatch.setattr(watcher, "PATIENCE_S", PATIENCE_S)
    monkeypatch.setattr(module, "PATIENCE_S", PATIENCE_S)
    for name in ("ray.rest.ANSWER_S", "ray.rest.CONNECT_S", "nodes.fetching.ANSWER_S", "nodes.tcp.ANSWER_TIMEOUT_S"):
        monkeypatch.setattr(f"mcp_background_job.executors.{name}", PATIENCE_S)
    for name in ("_LEARN_AGAIN_S", "_COMPLETE_AGAIN_S", "_FRESH_S"):
        monkeypatch.setattr(module, name, 0.0)
    place = RayPlace(root, Head(ray.address, TOKEN), poll_s=0.0)
    place.store.prepare()
    yield place
    await place.finish()
    place.close()


@pytest.fixture
def spec_of(place: RayPlace) -> SpecOf:
    """Make specs of jobs for the place."""
    numbers = itertools.count(100)

    def spec_of(command: str = "true", **asked: Any) -> Spec:
        job_id = f"j{next(numbers)}"
        assert place.store.claim(job_id)
        facts: dict[str, Any] = {"on": "ray", "name": None, "cwd": "/", "env": {}, **asked}
        return Spec(
            job_id=job_id,
            command=command,
            argv=["/bin/sh", "-c", command],
            created_at=time.time(),
            cookie="0-0-x",
            max_output=2**20,
            max_jobs=10,
            **facts,
        )

    return spec_of


@pytest.fixture
async def managers(ray_cluster: Ray, state_dir: str, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Managers]:
    """Makes managers in this process whose jobs run on the cluster."""
    monkeypatch.setenv("MCP_BG_RAY_ADDRESS", ray_cluster.address)
    monkeypatch.setenv("MCP_BG_RAY_TOKEN", ray_cluster.token)
    monkeypatch.setenv("MCP_BG_PLACES", "ray")
    monkeypatch.setattr("mcp_background_job.executors.ray.place.POLL_S", 1.0)
    made: list[JobManager] = []

    def make(**settings: str) -> JobManager:
        made.append(build(load_settings(state_dir=state_dir, **settings)))
        return made[-1]

    yield make
    for manager in made:
        await manager.places.finish()
        manager.close()
