"""``exit-codes``: what the commands exit with."""

from __future__ import annotations

from collections.abc import Mapping

from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.comfyui.exit_codes import TABLE as OF_COMFYUI
from mcp_background_job.cli.hooks.exit_codes import TABLE as OF_HOOKS
from mcp_background_job.cli.jobs.exit_codes import TABLE as OF_JOBS
from mcp_background_job.cli.runs.exit_codes import TABLE as OF_RUNS
from mcp_background_job.errors import InvalidRequestError

#: The table of each group of commands. Those that are in no group share the one for jobs.
TABLES: Mapping[str, Mapping[str, str]] = {"jobs": OF_JOBS, "comfyui": OF_COMFYUI, "runs": OF_RUNS, "hook": OF_HOOKS}

_TITLES = {"jobs": "jobs, and commands in no group"}


def codes(*command: str) -> int:
    """Print what the commands exit with.

    Args:
        *command: Only those of this command, or of the group that it is in.
    """
    chosen = [_group_of(command[0])] if command else [*TABLES]
    for number, group in enumerate(chosen):
        if number:
            terminal.line("")
        if not command:
            terminal.line(_TITLES.get(group, group))
        _write(TABLES[group])
    return exit_codes.OK


def _group_of(word: str) -> str:
    from mcp_background_job.cli.commands import ALL  # noqa: PLC0415  it names this command

    if word in TABLES:
        return word
    if word not in {one.name for one in ALL.commands}:
        raise InvalidRequestError(f"there is no command {word!r}: --help lists the commands")
    return "jobs"


def _write(table: Mapping[str, str]) -> None:
    width = max(map(len, table)) + 4
    for code, meaning in table.items():
        terminal.fact(f"  {code}", meaning.replace("`", ""), width)
