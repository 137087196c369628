"""``completion``: shell completion."""

from __future__ import annotations

from typing import Literal, cast, get_args

from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.errors import InvalidRequestError

Shell = Literal["bash", "zsh", "fish"]


def completion(*, shell: Shell | None = None, install: bool = False) -> int:
    """Print a completion script for a shell, or install it.

    Args:
        shell: The shell; without it, the one that calls this.
        install: Write the script where the shell looks for it, and have the shell load it.
    """
    from mcp_background_job.cli.parser import build_app, calling_shell  # noqa: PLC0415  only for this command

    chosen = shell or _completed(calling_shell())
    if install:
        terminal.paragraph(f"completion for {chosen} installed in {build_app().install_completion(shell=chosen)}")
    else:
        terminal.line(build_app().generate_completion(shell=chosen))
    return exit_codes.OK


def _completed(shell: str) -> Shell:
    if shell not in get_args(Shell):
        raise InvalidRequestError(f"there is no completion for {shell}: give --shell")
    return cast("Shell", shell)
