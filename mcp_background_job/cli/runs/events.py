"""``runs events``: what an agent says."""

from __future__ import annotations

from mcp_background_job.agents.runs import RunManager
from mcp_background_job.cli.arguments import AsJson, Count, Follow, OptionalLimit, OptionalSeconds
from mcp_background_job.cli.runs.exit_codes import of_run
from mcp_background_job.cli.runs.following import left_running, write_events
from mcp_background_job.cli.runs.session import RunId, reference_of, with_runs


def events(
    run: RunId,
    /,
    *,
    follow: Follow = False,
    after: Count = 0,
    limit: OptionalLimit = None,
    timeout: OptionalSeconds = None,
    as_json: AsJson = False,
) -> int:
    """Print the events of a run, one line each.

    Args:
        run: Id of a run, or the name of an agent: its newest run.
        follow: Go on until the run is over. Ctrl-C leaves it running.
        after: Print only events after this number.
        limit: Print at most this many.
        timeout: Follow them for at most this long, in seconds or as 5m.
        as_json: Print JSON, one object per line, with the field names of the tools.
    """

    async def print_them(runs: RunManager) -> int:
        meant = reference_of(run)
        with left_running(meant):
            found = await write_events(
                runs, meant, after_seq=after, follow=follow, as_json=as_json, limit=limit, timeout_s=timeout
            )
        return of_run(found.state.status)

    return with_runs(print_them)
