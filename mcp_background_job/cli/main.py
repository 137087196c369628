"""Runs the command that the arguments name, and turns errors into sentences and exit codes."""

from __future__ import annotations

import sys
from typing import NoReturn

from mcp_background_job.cli import exit_codes, interruption, output, terminal
from mcp_background_job.cli.binder import bind
from mcp_background_job.cli.commands import ALL
from mcp_background_job.errors import BackgroundJobError


def run() -> NoReturn:
    """Run the command that the arguments name, and exit."""
    output.guard()
    sys.exit(_written(sys.argv[1:]))


def _written(tokens: list[str]) -> int:
    """Run the command and have all of its output written; returns the exit code."""
    try:
        code = _exit_code(tokens)
        terminal.flush()
    except output.UnreadError:
        output.forget()
        return exit_codes.OUTPUT_CLOSED
    except output.UnwritableError as error:
        output.forget()
        terminal.say(str(error))
        return exit_codes.of_error(error)
    return code


def _exit_code(tokens: list[str]) -> int:
    try:
        return _run(with_current_session(tokens)) or exit_codes.OK
    except output.UnwritableError:
        raise
    except BackgroundJobError as error:
        terminal.fail(error, to_program=_wants_json(tokens))
        return exit_codes.of_error(error)
    except KeyboardInterrupt:
        terminal.leave_interrupted_line()
        return exit_codes.INTERRUPTED


def _run(tokens: list[str]) -> int | None:
    command, arguments = ALL.named(tokens)
    call = bind(command.load(), arguments) if command.path else None
    if call:
        with interruption.raised():
            return call()
    from mcp_background_job.cli.parser import run as run_any  # noqa: PLC0415  see ``binder``

    with interruption.raised():
        return run_any(tokens)


def with_current_session(tokens: list[str]) -> list[str]:
    """Give a bare ``--session`` the value of the current one: cyclopts has no option that may go without one."""
    if tokens[:1] != ["comfyui"]:
        return tokens
    is_bare = [behind.startswith("-") for behind in [*tokens[1:], "-"]]
    return ["--session=" if word == "--session" and bare else word for word, bare in zip(tokens, is_bare, strict=True)]


def _wants_json(tokens: list[str]) -> bool:
    """Tell whether a program reads what is written, as far as can be told of a line that may be wrong."""
    ours = tokens[: tokens.index("--")] if "--" in tokens else tokens
    return "--json" in ours
