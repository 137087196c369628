"""Gives a command the manager of runs, for as long as the command runs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from mcp_background_job.actions.runs.requests import WhichRun
from mcp_background_job.agents.catalog import Reference
from mcp_background_job.agents.runs import RunManager
from mcp_background_job.app import build_runs
from mcp_background_job.cli.parameter import Parameter
from mcp_background_job.cli.session import caller, with_manager
from mcp_background_job.config import load_settings
from mcp_background_job.jobs.manager import JobManager

RunId = Annotated[str, Parameter(("RUN",), help="Id of a run, or the name of an agent: its newest run.")]


def with_runs(use: Callable[[RunManager], Coroutine[Any, Any, int]]) -> int:
    """Run a coroutine function on the runs of the configured state directory; returns the exit code it returns."""
    settings = load_settings()

    async def to_the_end(manager: JobManager) -> int:
        runs = build_runs(manager, settings)
        try:
            return await use(runs)
        finally:
            await runs.close()

    return with_manager(to_the_end)


def reference_of(text: str) -> Reference:
    """Return what a word on the command line means."""
    return Reference(agent_name=text, asker=caller().looks)


def asked_for(text: str) -> WhichRun:
    """Return the request for the run that a word on the command line means."""
    return WhichRun(agent_name=text)
