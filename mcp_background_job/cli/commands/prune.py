"""``prune``: remove ended jobs."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.arguments import AsJson, OptionalSeconds
from mcp_background_job.cli.session import with_manager
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.jobs.manager import JobManager


def prune(
    *,
    older_than: OptionalSeconds = None,
    every: Annotated[bool, Parameter(name=["--all", "-a"])] = False,
    as_json: AsJson = False,
) -> int:
    """Remove ended jobs and their output; those that ended longer ago than MCP_BG_KEEP_DAYS, unless told otherwise.

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
    removed = list(dict.fromkeys(await manager.prune(older_than_s=older_than_s)))
    if as_json:
        terminal.as_json({"removed": removed})
    elif terminal.for_people():
        terminal.line(f"{len(removed)} job{'' if len(removed) == 1 else 's'} removed")
    else:
        for job_id in removed:
            terminal.line(job_id)
    return exit_codes.OK
