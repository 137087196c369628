"""Parses any command line with cyclopts, also a wrong one, or one that asks for help. The only door to cyclopts."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from cyclopts import App, CycloptsError, Token, UnknownCommandError, UnknownOptionError
from cyclopts import Parameter as Theirs
from cyclopts.completion import ShellDetectionError, detect_shell

from mcp_background_job import __version__
from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.command import Command
from mcp_background_job.cli.commands import ALL
from mcp_background_job.cli.parameter import Converter, Parameter
from mcp_background_job.core.nearest import nearest
from mcp_background_job.errors import InvalidRequestError

#: Columns of a pipe, which has no end of a line: none of our texts is as long.
_ENDLESS = 100_000

#: What was meant for an option, and no text: ``--modle`` and ``-m=x``, but neither ``-`` nor ``- fix this``.
_OPTION = re.compile(r"--?[A-Za-z][\w-]*(=.*)?", re.DOTALL)


class _HelpFormatter:
    """One of cyclopts's, loaded when help is asked for: a quick command does without."""

    @cached_property
    def _theirs(self) -> Any:
        from cyclopts.help import formatters  # noqa: PLC0415  see above

        return formatters.DefaultFormatter() if terminal.for_people() else formatters.PlainFormatter()

    def __call__(self, console: Any, options: Any, panel: Any) -> None:
        self._theirs(console, options, panel)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._theirs, name)


def run(tokens: list[str]) -> int | None:
    """Run the command that a line names; returns its exit code.

    Raises:
        InvalidRequestError: the line cannot be understood.
        BackgroundJobError: the command has failed.
    """
    try:
        return _run(tokens)
    except CycloptsError as error:
        raise InvalidRequestError(_wrong_usage(error)) from error


def _run(tokens: list[str]) -> int | None:
    """Run the command. A text may begin with a hyphen; a word that looks like an option is never taken for a text."""
    try:
        return build_app(tokens, has_texts=False)(tokens, exit_on_error=False, print_error=False)
    except UnknownOptionError as error:
        if _OPTION.fullmatch(error.token.keyword or error.token.value):
            raise
    return build_app(tokens)(tokens, exit_on_error=False, print_error=False)


def build_app(tokens: Sequence[str] | None = None, *, has_texts: bool = True) -> App:
    """Return the command line. Of a line that is to be parsed only the command is loaded; all are without one.

    ``has_texts``: an argument that may begin with a hyphen may do so; without it, none may.
    """
    app = App(
        name=terminal.PROGRAM,
        help=ALL.about,
        help_epilogue=exit_codes.HELP,
        version=__version__,
        default_parameter=Theirs(negative=()),
        help_formatter=_HelpFormatter(),
        result_action="return_value",
        suppress_keyboard_interrupt=False,
        **({} if terminal.for_people() else _as_text()),
    )
    _add(app, ALL.commands, tokens, has_texts=has_texts)
    return app


def _as_text() -> dict[str, Any]:
    """Return how help is written into a pipe: not wrapped to any width, and not filled up with blanks."""
    from rich.console import Console  # noqa: PLC0415  people's help has one of its own

    return {"help_format": "plaintext", "console": Console(width=_ENDLESS)}


def _add(app: App, commands: Iterable[Command], tokens: Sequence[str] | None, *, has_texts: bool) -> None:
    for command in commands:
        is_meant = tokens is None or [command.name] == list(tokens[:1])
        if command.commands:
            group = App(name=command.name, help=command.about)
            if command.path and is_meant:
                group.default(_theirs(command.load(), has_texts=has_texts))
            _add(group, command.commands, tokens and tokens[1:] if is_meant else (), has_texts=has_texts)
            app.command(group)
        elif is_meant:
            app.command(_theirs(command.load(), has_texts=has_texts), name=command.name, show=not command.is_own)
        else:
            app.command(command.path, name=command.name, help=command.about, show=not command.is_own)


def _theirs(function: Callable[..., int | None], *, has_texts: bool) -> Callable[..., int | None]:
    """Return a command that says of its arguments in cyclopts's words what it says in ours."""

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> int | None:
        return function(*arguments, **options)

    hints = get_type_hints(function, include_extras=True)
    call.__annotations__ = {name: _hint(hint, has_texts=has_texts) for name, hint in hints.items()}
    vars(call).update(__signature__=inspect.signature(function))
    del vars(call)["__wrapped__"]  # else the annotations there are read
    return call


def _hint(hint: Any, *, has_texts: bool) -> Any:
    if get_origin(hint) is not Annotated:
        return hint
    inner, *extras = get_args(hint)
    theirs = (_parameter(extra, has_texts=has_texts) if isinstance(extra, Parameter) else extra for extra in extras)
    return functools.reduce(lambda kind, extra: Annotated[kind, extra], theirs, inner)


def _parameter(said: Parameter, *, has_texts: bool) -> Theirs:
    everything: dict[str, Any] = {
        "name": said.names or None,
        "negative": said.negative or None,
        "converter": _converter(said.convert) if said.convert else None,
        "help": said.help or None,
        "required": said.is_required,
        "allow_leading_hyphen": (has_texts and said.may_be_option) or None,
    }
    return Theirs(**{name: value for name, value in everything.items() if value is not None})  # ``None`` says something


def _converter(convert: Converter) -> Callable[[Any, Sequence[Token]], Any]:
    return lambda _kind, tokens: convert(tokens[0].value, tokens[0].keyword or "")


def _wrong_usage(error: CycloptsError) -> str:
    if not isinstance(error, UnknownCommandError):
        is_for_command = isinstance(error, UnknownOptionError) and (error.command_chain or ("",))[0] == "run"
        hint = "; options of the command itself go behind --: run -- COMMAND" if is_for_command else ""
        return f"{_said(error)} (--help shows what can be given{hint})"
    # The text of this one would import every command.
    group, _ = ALL.named([*(error.command_chain or ())])
    names = [command.name for command in group.commands if not command.is_own]
    asked = (error.unused_tokens or [""])[0]
    near = nearest(asked, names, 1)
    hint = f"do you mean {near[0]}?" if near else f"give one of {', '.join(names)}"
    return f"there is no command {asked!r}: {hint}"


def _said(error: CycloptsError) -> str:
    """Return what the library says. For an unknown option it also suggests options that do not resemble it."""
    if not isinstance(error, UnknownOptionError):
        return str(error)
    text, _, _ = str(error).partition(" Did you mean ")
    options = [name for argument in error.argument_collection for name in argument.names]
    near = nearest(error.token.keyword or error.token.value, options, 1)
    return f"{text} Do you mean {near[0]}?" if near else text


def calling_shell() -> str:
    """Return the name of the shell that this process was called from.

    Raises:
        InvalidRequestError: it cannot be told.
    """
    try:
        return detect_shell()
    except ShellDetectionError as error:
        raise InvalidRequestError("the shell that calls this is unknown: give --shell") from error
