"""A manager whose jobs are no processes."""

from __future__ import annotations

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


def manager_in_memory(place: MemoryPlace) -> JobManager:
    """Return a manager whose jobs do what their input says; see ``tests.places.memory``."""
    places = Places([place], MemoryNames())
    policy = Policy(  # noqa: S604  it names a shell and runs none
        max_jobs=2,
        max_output=2**20,
        timeout_s=None,
        working_dir="/",
        allowed_commands=(),
        shell=("/bin/sh",),
    )
    return JobManager(
        places,
        Index(places, MemoryRegistry),
        policy,
        news=JobNews(places, MemoryNews),
        state=StateDir("/nowhere"),
        inheritance=Inheritance({"PATH": "/bin"}),
        keep_s=60.0,
    )
