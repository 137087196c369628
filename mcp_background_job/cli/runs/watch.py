"""``runs watch``: a run as it goes."""

from __future__ import annotations

from mcp_background_job.agents.runs import RunManager
from mcp_background_job.cli.runs.exit_codes import of_run
from mcp_background_job.cli.runs.following import left_running
from mcp_background_job.cli.runs.session import RunId, reference_of, with_runs
from mcp_background_job.cli.runs.watching import watch as watch_run
from mcp_background_job.cli.session import caller


def watch(run: RunId, /) -> int:
    """Show a run live: what the agent says, each tool in one line, changes as diffs, and its questions.

    At a terminal an answer is typed where it is asked for: a number, the name of an option, or any text. Ctrl-C leaves
    the run running.

    Args:
        run: Id of a run, or the name of an agent: its newest run.
    """

    async def watch_it(runs: RunManager) -> int:
        meant = reference_of(run)
        with left_running(meant):
            found = await watch_run(runs, meant, caller().client)
        return of_run(found.state.status)

    return with_runs(watch_it)
