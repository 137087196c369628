"""``runs inbox``: messages to an agent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from mcp_background_job.actions.opening import at_hand
from mcp_background_job.actions.runs.mailing import Mailing
from mcp_background_job.actions.runs.requests import Fetch
from mcp_background_job.agents.runs import RunManager
from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.arguments import AsJson, Limit, OptionalCount, Seconds
from mcp_background_job.cli.parameter import named
from mcp_background_job.cli.runs import letters
from mcp_background_job.cli.runs.session import with_runs
from mcp_background_job.cli.session import caller

_MILLISECONDS = 1000


def inbox(
    agent: Annotated[str | None, named("AGENT")] = None,
    /,
    *,
    after: OptionalCount = None,
    limit: Limit = 100,
    wait: Seconds = 0.0,
    cwd: Path | None = None,
    as_json: AsJson = False,
) -> int:
    """Print new messages to an agent, each of them once.

    Args:
        agent: Its name, or the id of one of its runs. Within a run, it may be left out: that run's agent is meant.
        after: Print all messages after this number instead, also those printed before: 0 for all that are kept.
        limit: Show at most this many.
        wait: Wait this long for messages, in seconds or as 5m.
        cwd: Its workspace, where several have an agent of this name.
        as_json: Print JSON, with the field names of the tools.
    """
    asked = Fetch(
        agent_name=agent,
        cwd=None if cwd is None else str(cwd.absolute()),
        after_seq=after,
        limit=limit,
        wait_ms=round(wait * _MILLISECONDS),
    )

    async def fetch_them(runs: RunManager) -> int:
        found = await Mailing(at_hand(runs)).fetch_agent_messages(caller(), asked)
        if as_json:
            terminal.as_json(found)
        else:
            letters.messages(found["messages"])
        if not found["messages"]:
            terminal.say("no messages")
        return exit_codes.OK

    return with_runs(fetch_them)
