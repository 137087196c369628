"""A place on a Slurm that is a fake."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.executors.nodes import watcher
from mcp_background_job.executors.slurm import seeing, submitting
from mcp_background_job.executors.slurm.options import Options
from mcp_background_job.executors.slurm.place import SlurmPlace
from mcp_background_job.executors.slurm.submitting import Site
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobdir.records import Spec
from tests.slurm.fake import FakeSlurm

SpecOf = Callable[..., Spec]


@pytest.fixture
def slurm() -> FakeSlurm:
    return FakeSlurm()


@pytest.fixture
def root(tmp_path: Path) -> StateDir:
    return StateDir(str(tmp_path / "root"))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Believe Slurm at once, and repeat at once each request that Slurm has not confirmed."""
    monkeypatch.setattr(seeing, "_GRACE_S", 0.0)
    monkeypatch.setattr(seeing, "_SIGN_OF_LIFE_S", -1.0)
    monkeypatch.setattr(seeing, "REPEAT_AFTER_S", -1.0)
    monkeypatch.setattr(submitting, "REPEAT_AFTER_S", -1.0)


@pytest.fixture
async def place(slurm: FakeSlurm, root: StateDir, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[SlurmPlace]:
    """A place that asks Slurm at every look, and waits for the answer."""
    monkeypatch.setattr(watcher, "PATIENCE_S", 60.0)
    place = SlurmPlace(root, slurm, Site(Options(), "python3"), poll_s=0.0)
    place.store.prepare()
    yield place
    await place.finish()
    place.close()


@pytest.fixture
def spec_of(place: SlurmPlace) -> SpecOf:
    """Make specs of jobs for the place."""
    numbers = itertools.count(100)

    def spec_of(**asked: Any) -> Spec:
        job_id = f"j{next(numbers)}"
        assert place.store.claim(job_id)
        facts: dict[str, Any] = {"on": "slurm", "name": None, **asked}
        return Spec(
            job_id=job_id,
            command="true",
            argv=["/bin/sh", "-c", "true"],
            cwd="/",
            env={},
            created_at=time.time(),
            cookie="",
            max_output=2**20,
            max_jobs=10,
            **facts,
        )

    return spec_of
