"""``runs continue``: answer a run, or go on after its end."""

from __future__ import annotations

from typing import Annotated

from mcp_background_job.actions.opening import at_hand
from mcp_background_job.actions.runs.requests import GoOn
from mcp_background_job.actions.runs.running import Running
from mcp_background_job.agents.runs import RunManager
from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.arguments import AsJson
from mcp_background_job.cli.parameter import Parameter
from mcp_background_job.cli.runs.letters import parts
from mcp_background_job.cli.runs.session import RunId, asked_for, with_runs
from mcp_background_job.cli.session import caller


def go_on(
    run: RunId,
    text: Annotated[str, Parameter(("TEXT",), may_be_option=True)] = "",
    /,
    *,
    data: str | None = None,
    as_json: AsJson = False,
) -> int:
    """Answer what a run asks; or, if it is over, continue its session in a new run. Prints the run's id.

    Args:
        run: Id of a run, or the name of an agent: its newest run.
        text: The answer, or what to do next.
        data: The same as a JSON object, such as '{"option_id": "allow_once"}'.
        as_json: Print JSON, with the field names of the tools.
    """
    asked, message = asked_for(run), {"role": "user", "parts": parts(text, data)}

    async def continue_it(runs: RunManager) -> int:
        known = await Running(at_hand(runs)).continue_run(
            caller(), GoOn(input_message=message, run_id=asked.run_id, agent_name=asked.agent_name)
        )
        if as_json:
            terminal.as_json(known)
        else:
            terminal.line(known["run_id"])
        return exit_codes.OK

    return with_runs(continue_it)
