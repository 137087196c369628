"""Puts the parts together."""

from __future__ import annotations

import os

from mcp_background_job.config import Settings
from mcp_background_job.executors.local import LocalExecutor
from mcp_background_job.jobdir.layout import COOKIE_VARIABLE, JOB_ID_VARIABLE, StateDir
from mcp_background_job.jobs.index import Index
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import Policy
from mcp_background_job.registry.base import Registry

_SECONDS_PER_DAY = 86_400


def build(settings: Settings) -> JobManager:
    """Return a manager for the jobs in the settings' state directory.

    Raises:
        StateDirError: the directory cannot be used.
    """
    executor = LocalExecutor(StateDir(settings.state_dir))
    executor.prepare()
    return JobManager(
        executor,
        Index(executor, lambda: _open_registry(executor.state.index)),
        policy_of(settings),
        environment=_environment(),
        keep_s=settings.keep_days * _SECONDS_PER_DAY,
    )


def policy_of(settings: Settings) -> Policy:
    """Return what the settings say about starting jobs."""
    return Policy(
        max_jobs=settings.max_jobs,
        max_output=settings.max_output_size,
        timeout_s=settings.job_timeout,
        working_dir=settings.working_dir,
        allowed_commands=tuple(settings.allowed_commands),
        shell=settings.shell,
    )


def _open_registry(path: str) -> Registry:
    from mcp_background_job.registry.sqlite import SqliteRegistry  # noqa: PLC0415  opened late, in the index's thread

    return SqliteRegistry(path)


def _environment() -> dict[str, str]:
    # Ours, but for the marks of a job that this process may itself be a part of.
    return {key: value for key, value in os.environ.items() if key not in (JOB_ID_VARIABLE, COOKIE_VARIABLE)}
