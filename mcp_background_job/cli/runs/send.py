"""``runs send``: leave a message for another agent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from mcp_background_job.actions.opening import at_hand
from mcp_background_job.actions.runs.mailing import Mailing
from mcp_background_job.actions.runs.requests import Send
from mcp_background_job.agents.runs import RunManager
from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.arguments import AsJson, json_object
from mcp_background_job.cli.parameter import Parameter, named
from mcp_background_job.cli.runs.letters import parts
from mcp_background_job.cli.runs.session import with_runs
from mcp_background_job.cli.session import caller


def send(
    to: Annotated[str, named("TO")],
    text: Annotated[str, Parameter(("TEXT",), may_be_option=True)] = "",
    /,
    *,
    data: str | None = None,
    sender: Annotated[str | None, named("--from")] = None,
    cwd: Path | None = None,
    metadata: str | None = None,
    as_json: AsJson = False,
) -> int:
    """Leave a message for another agent, which reads it with "runs inbox"; it need not be running.

    Within a run, the message is from that run's agent.

    Args:
        to: Name of an agent, id of one of its runs, or "parent": the run within which this one was started.
        text: What it says.
        data: The same as a JSON object, or @FILE with one.
        sender: Name of the agent that it is from, or id of one of its runs.
        cwd: The workspace of both, where several have agents of these names.
        metadata: A JSON object that is kept with it, or @FILE with one.
        as_json: Print JSON, with the field names of the tools.
    """
    asked = Send(
        to_agent_name=to,
        message={"role": "agent", "parts": parts(text, data)},
        from_agent_name=sender,
        cwd=None if cwd is None else str(cwd.absolute()),
        metadata=json_object("--metadata", metadata),
    )

    async def send_it(runs: RunManager) -> int:
        sent = await Mailing(at_hand(runs)).send_agent_message(caller(), asked)
        if as_json:
            terminal.as_json(sent)
        else:
            terminal.paragraph(f"message {sent['seq']} to {sent['to_agent_name']} ({sent['to_status']})")
        return exit_codes.OK

    return with_runs(send_it)
