"""``runs agents``: who there is to write to."""

from __future__ import annotations

from pathlib import Path

from mcp_background_job.actions.opening import at_hand
from mcp_background_job.actions.runs.mailing import Mailing
from mcp_background_job.actions.runs.requests import ListAgents
from mcp_background_job.agents.runs import RunManager
from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.arguments import AllProjects, AsJson, Limit
from mcp_background_job.cli.runs import letters
from mcp_background_job.cli.runs.session import with_runs
from mcp_background_job.cli.session import caller


def agents(
    *,
    status: str | None = None,
    backend: str | None = None,
    cwd: Path | None = None,
    all_projects: AllProjects = False,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> int:
    """List this project's agents, one line each, those with the newest runs first.

    Args:
        status: Only those whose newest run has this status.
        backend: Only agents of this kind.
        cwd: Only those in this workspace.
        all_projects: Show those of other projects too.
        limit: Show at most this many.
        as_json: Print JSON, with the field names of the tools.
    """
    asked = ListAgents(
        status=status,
        backend=backend,
        cwd=None if cwd is None else str(cwd.absolute()),
        all_projects=all_projects,
        limit=limit,
    )

    async def list_them(runs: RunManager) -> int:
        found = await Mailing(at_hand(runs)).list_agents(caller(), asked)
        if as_json:
            terminal.as_json(found["agents"])
        else:
            letters.agents(found["agents"])
        return exit_codes.OK

    return with_runs(list_them)
