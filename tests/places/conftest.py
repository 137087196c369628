"""The places that the contract is tested on."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from mcp_background_job.executors.base import Place
from mcp_background_job.executors.local.place import LocalPlace
from mcp_background_job.executors.ray.place import RayPlace
from mcp_background_job.executors.slurm.place import SlurmPlace
from mcp_background_job.jobdir.layout import COOKIE_VARIABLE, JOB_ID_VARIABLE, StateDir
from mcp_background_job.jobdir.records import Spec
from tests.cluster.conftest import cluster
from tests.cluster.slurm import Cluster
from tests.places.memory import OBEYS, MemoryPlace
from tests.ray.cluster import ALONE, Ray

#: A fixture of another folder.
__all__ = ["cluster"]

_NUMBERS = itertools.count(100)

SpecOf = Callable[..., Spec]


@pytest.fixture(
    params=[
        "memory",
        pytest.param("local", marks=pytest.mark.real_process),
        pytest.param("slurm", marks=[pytest.mark.real_process, pytest.mark.cluster]),
        pytest.param("ray", marks=[pytest.mark.real_process, pytest.mark.ray]),
    ]
)
async def place(request: pytest.FixtureRequest, state_dir: str) -> AsyncGenerator[Place]:
    """A place without jobs."""
    place = _place(request, state_dir)
    place.store.prepare()
    yield place
    await place.finish()
    if place.name == "slurm":
        request.getfixturevalue("cluster").clear(place.store.discover())
    place.close()


def _place(request: pytest.FixtureRequest, state_dir: str) -> Place:
    if request.param == "memory":
        return MemoryPlace()
    if request.param == "local":
        return LocalPlace(StateDir(state_dir))
    if request.param == "ray":
        ray: Ray = request.getfixturevalue("ray_cluster")
        return RayPlace.of(state_dir, ray.address, ray.token, poll_s=1.0)
    slurm: Cluster = request.getfixturevalue("cluster")
    return SlurmPlace.of(state_dir, slurm.environment, python=sys.executable, poll_s=1.0)


@pytest.fixture
def spec_of(place: Place) -> SpecOf:
    """Make specs of programs that obey their input; see ``tests.places.memory``."""

    def spec_of(**asked: Any) -> Spec:
        job_id = f"j{next(_NUMBERS)}"
        assert place.store.claim(job_id)
        cookie = f"{place.store.identity_of(job_id)}-{'c' * 32}"
        wishes: dict[str, Any] = {"argv": ["/bin/sh", "-c", OBEYS], "stdin": "pipe", "max_jobs": 100, **asked}
        if place.name == "slurm" and wishes["max_jobs"] == 1:  # there it is Slurm that counts: n2 has one GPU
            wishes["on"] = "slurm gpus=1 constraint=n2"
        if place.name == "ray" and wishes["max_jobs"] == 1:
            wishes["on"] = ALONE
        return Spec(
            job_id=job_id,
            command="obeys",
            cwd="/",
            env={"PATH": "/usr/bin:/bin", JOB_ID_VARIABLE: job_id, COOKIE_VARIABLE: cookie},
            created_at=time.time(),
            cookie=cookie,
            max_output=2**20,
            **wishes,
        )

    return spec_of
