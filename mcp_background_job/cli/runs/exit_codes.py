"""What the commands for runs of agents exit with."""

from __future__ import annotations

from mcp_background_job.cli.exit_codes import FAILED, OK, STOPPED

#: What each code says.
TABLE = {
    "0": "The command did what it was asked to. `events`, `show`, `watch` and `spawn --follow` of a run that is over: "
    "it completed. `cancel`: nothing of the run is left.",
    "1": "`cancel`: processes of the run are still alive.",
    "2": "The usage is wrong, or an argument or a setting cannot be used.",
    "3": "`events`, `show`, `watch` and `spawn --follow`: the run failed.",
    "4": "`events`, `show`, `watch` and `spawn --follow`: the run was cancelled, or the agent refused it.",
    "7": "The agent's program is missing or too old, or the run is not in a state for this.",
    "8": "There is no such run.",
    "125": "An internal error.",
    "130": "Ctrl-C ended the command. A run that was followed goes on.",
    "141": "Nobody reads the output any more.",
}

_OF_RUN = {"failed": FAILED, "cancelled": STOPPED, "rejected": STOPPED}


def of_run(status: str) -> int:
    """Return the exit code for how a run is doing, or ended."""
    return _OF_RUN.get(status, OK)
