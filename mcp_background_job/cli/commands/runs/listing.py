"""``runs list``: which runs there are."""

from __future__ import annotations

from pathlib import Path

from mcp_background_job.agents import report
from mcp_background_job.agents.runs import RunManager
from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.arguments import AsJson
from mcp_background_job.cli.runs import show
from mcp_background_job.cli.runs.session import with_runs


def list_runs(
    *,
    status: str | None = None,
    backend: str | None = None,
    cwd: Path | None = None,
    limit: int = 20,
    as_json: AsJson = False,
) -> int:
    """List runs, newest first.

    A table for people, tab-separated lines when piped, one array with --json.

    Args:
        status: Only runs with this status.
        backend: Only runs of this kind of agent.
        cwd: Only runs in this workspace.
        limit: How many at most.
        as_json: Print JSON, with the field names of the tools.
    """
    where = None if cwd is None else str(cwd.absolute())

    async def list_them(runs: RunManager) -> int:
        found = report.of_list(await runs.list(status=status, backend=backend, cwd=where, limit=limit))["runs"]
        if as_json:
            terminal.as_json(found)
        else:
            show.several(found)
        return exit_codes.OK

    return with_runs(list_them)
