"""A manager whose jobs are no processes."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from mcp_background_job.executors.places import Places
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobs.indexing.index import Index
from mcp_background_job.jobs.inherited.inheritance import Inheritance
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.news import JobNews
from mcp_background_job.jobs.policy import Policy
from mcp_background_job.registry.memory import MemoryRegistry
from mcp_background_job.registry.news_memory import MemoryNews
from tests.places.memory import MemoryNames, MemoryPlace


@pytest.fixture
def memory_place() -> MemoryPlace:
    """Where the jobs of ``memory_manager`` run."""
    return MemoryPlace()


@pytest.fixture
def memory_manager(memory_place: MemoryPlace) -> Generator[JobManager]:
    """A manager whose jobs do what their input says; see ``tests.places.memory``."""
    places = Places([memory_place], MemoryNames())
    policy = Policy(  # noqa: S604  it names a shell and runs none
        max_jobs=2,
        max_output=2**20,
        timeout_s=None,
        working_dir="/",
        allowed_commands=(),
        shell=("/bin/sh",),
    )
    manager = JobManager(
        places,
        Index(places, MemoryRegistry),
        policy,
        news=JobNews(places, MemoryNews),
        state=StateDir("/nowhere"),
        inheritance=Inheritance({"PATH": "/bin"}),
        keep_s=60.0,
    )
    yield manager
    manager.close()
