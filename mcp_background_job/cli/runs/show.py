"""``runs show``: one run."""

from __future__ import annotations

from mcp_background_job.actions.opening import at_hand
from mcp_background_job.actions.runs.running import Running
from mcp_background_job.agents.runs import RunManager
from mcp_background_job.cli import terminal
from mcp_background_job.cli.arguments import AsJson
from mcp_background_job.cli.runs import views
from mcp_background_job.cli.runs.exit_codes import of_run
from mcp_background_job.cli.runs.session import RunId, asked_for, with_runs
from mcp_background_job.cli.session import caller


def show(run: RunId, /, *, as_json: AsJson = False) -> int:
    """Show everything that is known about a run: its task, its status, its result or its error.

    Args:
        run: Id of a run, or the name of an agent: its newest run.
        as_json: Print JSON, with the field names of the tools.
    """

    async def show_it(runs: RunManager) -> int:
        known = await Running(at_hand(runs)).get_run(caller(), asked_for(run))
        if as_json:
            terminal.as_json(known)
        else:
            views.facts(known)
        return of_run(known["status"])

    return with_runs(show_it)
