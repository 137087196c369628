"""``prune``: remove ended jobs."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from mcp_background_job.actions import tidying
from mcp_background_job.app import build_runs
from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.arguments import AsJson, Every, OptionalSeconds
from mcp_background_job.cli.session import with_manager
from mcp_background_job.config import load_settings
from mcp_background_job.core.text import counted
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.jobdir.layout import is_job_id
from mcp_background_job.jobs.manager import JobManager

if TYPE_CHECKING:  # what runs take is loaded where there are any
    from mcp_background_job.agents.runs import RunManager


def prune(
    *,
    older_than: OptionalSeconds = None,
    every: Every = False,
    as_json: AsJson = False,
) -> int:
    """Remove ended jobs and runs of agents, and their output.

    Without an option, those that ended longer ago than MCP_BG_KEEP_DAYS.

    Args:
        older_than: Those that ended longer ago than this, such as 7d or 12h.
        every: All that have ended.
        as_json: Print JSON, with the same field names everywhere.
    """
    if every and older_than is not None:
        raise InvalidRequestError("--all and --older-than: give one of them")
    age_s = 0.0 if every else older_than
    return with_manager(lambda manager: _prune(manager, age_s, as_json=as_json))


async def _prune(manager: JobManager, older_than_s: float | None, *, as_json: bool) -> int:
    async with contextlib.AsyncExitStack() as stack:

        async def opened() -> RunManager:
            runs = build_runs(manager, load_settings())
            stack.push_async_callback(runs.close)
            return runs

        removed = await tidying.prune(manager, opened, older_than_s=older_than_s)
    if as_json:
        terminal.as_json({"removed": removed})
    elif terminal.for_people():
        jobs = sum(map(is_job_id, removed))
        runs_too = f", {counted(len(removed) - jobs, 'run')}" if jobs < len(removed) else ""
        terminal.line(f"{counted(jobs, 'job')}{runs_too} removed")
    else:
        for removed_id in removed:
            terminal.line(removed_id)
    return exit_codes.OK
