"""``runs list``: which runs there are."""

from __future__ import annotations

from pathlib import Path

from mcp_background_job.actions.opening import at_hand
from mcp_background_job.actions.runs.requests import ListRuns
from mcp_background_job.actions.runs.running import Running
from mcp_background_job.agents.runs import RunManager
from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.arguments import AllProjects, AsJson
from mcp_background_job.cli.runs import views
from mcp_background_job.cli.runs.session import with_runs
from mcp_background_job.cli.session import caller
from mcp_background_job.core.text import counted


def list_runs(
    *,
    status: str | None = None,
    backend: str | None = None,
    cwd: Path | None = None,
    all_projects: AllProjects = False,
    limit: int = 20,
    tree: bool = False,
    as_json: AsJson = False,
) -> int:
    """List this project's runs, newest first.

    Prints a table on a terminal, tab-separated lines into a pipe, and one array with --json.

    Args:
        status: Only runs with this status.
        backend: Only runs of this kind of agent.
        cwd: Only runs in this workspace.
        all_projects: Show those of other projects too.
        limit: Show at most this many.
        tree: Show each run below the run that started it.
        as_json: Print JSON, with the field names of the tools.
    """
    asked = ListRuns(
        status=status,
        backend=backend,
        cwd=None if cwd is None else str(cwd.absolute()),
        all_projects=all_projects,
        limit=limit,
    )

    async def list_them(runs: RunManager) -> int:
        found = await Running(at_hand(runs)).list_runs(caller(), asked)
        if as_json:
            terminal.as_json(found["runs"])
        else:
            views.several(views.as_tree(found["runs"]) if tree else found["runs"])
        if "elsewhere" in found:
            terminal.say(f"{counted(found['elsewhere'], 'run')} of other projects (--all-projects shows them)")
        return exit_codes.OK

    return with_runs(list_them)
