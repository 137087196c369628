"""Runs the command that the arguments name, and turns errors into sentences and exit codes."""

from __future__ import annotations

import sys
from typing import NoReturn

from cyclopts import CycloptsError, UnknownCommandError, UnknownOptionError

from mcp_background_job.cli import exit_codes, output, terminal
from mcp_background_job.cli.commands import COMMANDS, GROUPS, build_app
from mcp_background_job.errors import BackgroundJobError, InvalidRequestError


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
        return build_app()(with_current_session(tokens), exit_on_error=False, print_error=False) or exit_codes.OK
    except output.UnwritableError:
        raise
    except BackgroundJobError as error:
        terminal.fail(error, to_program=_wants_json(tokens))
        return exit_codes.of_error(error)
    except CycloptsError as error:
        terminal.fail(InvalidRequestError(_wrong_usage(error)), to_program=_wants_json(tokens))
        return exit_codes.USAGE
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED


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


def _wrong_usage(error: CycloptsError) -> str:
    import difflib  # noqa: PLC0415  only for a mistyped command

    if not isinstance(error, UnknownCommandError):
        is_for_command = isinstance(error, UnknownOptionError) and (error.command_chain or ("",))[0] == "run"
        hint = "; options of the command itself go behind --: run -- COMMAND" if is_for_command else ""
        return f"{error} (--help shows what can be given{hint})"
    # The text of this one would import every command.
    group = next(iter(error.command_chain or ()), "")
    commands = GROUPS[group][1] if group in GROUPS else COMMANDS
    names = [command.name for command in commands] + ([] if group in GROUPS else [*GROUPS])
    asked = (error.unused_tokens or [""])[0]
    near = difflib.get_close_matches(asked, names, 1)
    hint = f"do you mean {near[0]}?" if near else f"give one of {', '.join(names)}"
    return f"there is no command {asked!r}: {hint}"
