"""``runs cancel``: stop a run."""

from __future__ import annotations

from mcp_background_job.actions.opening import at_hand
from mcp_background_job.actions.runs.running import Running
from mcp_background_job.agents.runs import RunManager
from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.arguments import AsJson
from mcp_background_job.cli.runs.session import RunId, asked_for, with_runs
from mcp_background_job.cli.session import caller


def cancel(run: RunId, /, *, as_json: AsJson = False) -> int:
    """Stop a run; the command returns when every process that it started is dead.

    Args:
        run: Id of a run, or the name of an agent: its newest run.
        as_json: Print JSON, with the field names of the tools.
    """

    async def cancel_it(runs: RunManager) -> int:
        known = await Running(at_hand(runs)).cancel_run(caller(), asked_for(run))
        if as_json:
            terminal.as_json(known)
        elif known["stopped"]:
            terminal.paragraph(f"{known['run_id']} {known['status']} ({known['escalation']}); nothing of it is left")
        else:
            left = ", ".join(map(str, known["leftover_pids"]))
            terminal.paragraph(f"{known['run_id']} {known['status']}; processes {left} survived SIGKILL")
        for kin in known.get("ended_with", []) if not as_json else ():
            terminal.paragraph(f"  with it {kin.get('run_id', kin['job_id'])} {kin['status']}")
        return exit_codes.OK if known["stopped"] else exit_codes.UNMET

    return with_runs(cancel_it)
