"""``completion``: shell completion."""

from __future__ import annotations

from typing import Literal

from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.commands import build_app
from mcp_background_job.errors import InvalidRequestError

Shell = Literal["bash", "zsh", "fish"]


def completion(*, shell: Shell | None = None, install: bool = False) -> int:
    """Print a completion script for a shell, or install it.

    Args:
        shell: Which shell; without it, the one that this was called from.
        install: Write the script where the shell looks for it, and have the shell load it.
    """
    chosen = shell or _calling_shell()
    if install:
        terminal.line(f"completion for {chosen} installed in {build_app().install_completion(shell=chosen)}")
    else:
        terminal.line(build_app().generate_completion(shell=chosen))
    return exit_codes.OK


def _calling_shell() -> Shell:
    from cyclopts.completion import ShellDetectionError, detect_shell  # noqa: PLC0415  it looks at processes

    try:
        found = detect_shell()
    except ShellDetectionError as error:
        raise InvalidRequestError("it cannot be told which shell this is called from: give --shell") from error
    if found == "powershell":
        raise InvalidRequestError("there is no completion for powershell: give --shell")
    return found
