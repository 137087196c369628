"""Reads the usual command line in a millisecond: the library that reads any takes a tenth of a second to load.

An agent runs many commands, each in a process of its own. What is not plain to this reader, it leaves to that library:
help, whatever is wrong, and rarer ways to write a line. What it does read, it reads alike; a test compares the two.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, cast, get_args, get_origin, get_type_hints

from mcp_background_job.cli.parameter import Converter, Parameter
from mcp_background_job.errors import InvalidRequestError


class _NotPlainError(Exception):
    """A line, or what a command says of its arguments, is left to the library."""


class _Argument(NamedTuple):
    """An argument of a command. ``convert`` is ``None`` for a switch, which takes no value."""

    name: str
    kind: Any
    convert: Converter | None
    is_list: bool
    is_required: bool


def bind(function: Callable[..., int | None], tokens: Sequence[str]) -> Callable[[], int | None] | None:
    """Return the call of a command that a line stands for; ``None`` if the line is not plain."""
    try:
        return _bound(function, tokens)
    except (_NotPlainError, InvalidRequestError):  # of a value that is wrong, too, the library tells
        return None


def _bound(function: Callable[..., int | None], tokens: Sequence[str]) -> Callable[[], int | None]:
    hints = get_type_hints(function, include_extras=True)
    positional: list[_Argument] = []
    options: dict[str, tuple[_Argument, bool]] = {}
    for parameter in inspect.signature(function).parameters.values():
        hint, said = _parts(hints[parameter.name])
        argument = _argument(parameter, hint, said)
        if parameter.kind is parameter.KEYWORD_ONLY:
            names = said.names or (f"--{parameter.name.replace('_', '-')}",)
            options |= dict.fromkeys(names, (argument, True))
            options |= {said.negative: (argument, False)} if said.negative else {}
        else:
            positional.append(argument)
    words, values = _sorted_out(iter(tokens), options)
    return partial(function, *_placed(positional, words), **values)


def _parts(hint: Any) -> tuple[Any, Parameter]:
    """Return the type of an argument, and what else is said of it."""
    if get_origin(hint) is not Annotated:
        return hint, Parameter()
    inner, *extras = get_args(hint)
    return inner, next((extra for extra in extras if isinstance(extra, Parameter)), Parameter())


def _argument(parameter: inspect.Parameter, hint: Any, said: Parameter) -> _Argument:
    if parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
        raise _NotPlainError
    kinds = [kind for kind in get_args(hint) if kind is not NoneType] if get_origin(hint) is UnionType else [hint]
    is_list = get_origin(kinds[0]) is list
    is_needed = parameter.default is parameter.empty and parameter.kind is not parameter.VAR_POSITIONAL
    return _Argument(
        parameter.name,
        parameter.kind,
        None if kinds == [bool] else said.convert or _converter(get_args(kinds[0])[0] if is_list else kinds[0]),
        is_list,
        is_needed if said.is_required is None else said.is_required,
    )


def _converter(kind: Any) -> Converter:
    if kind is str:
        return lambda text, _: text
    if kind is Path:
        return lambda text, _: Path(text)
    if kind is int:
        return _whole
    if get_origin(kind) is Literal:
        return partial(_one_of, get_args(kind))
    raise _NotPlainError


def _whole(text: str, _: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise _NotPlainError
    return int(text)


def _one_of(choices: tuple[str, ...], text: str, _: str) -> str:
    if text not in choices:
        raise _NotPlainError
    return text


def _sorted_out(tokens: Iterator[str], options: dict[str, tuple[_Argument, bool]]) -> tuple[list[str], dict[str, Any]]:
    """Return the words of a line that belong to no option, and the values of its options."""
    words: list[str] = []
    values: dict[str, Any] = {}
    for token in tokens:
        if token == "--":  # noqa: S105  no password
            words += tokens
        elif not token.startswith("-"):
            words.append(token)
        else:
            name, given, text = token.partition("=")
            argument, is_on = options.get(name) or _not_plain()
            if argument.convert is None:
                value: Any = _not_plain() if given else is_on
            else:
                value = argument.convert(text if given else _value(tokens), name)
            if argument.is_list:
                cast("list[Any]", values.setdefault(argument.name, [])).append(value)
            elif argument.name in values:
                _not_plain()
            else:
                values[argument.name] = value
    return words, values


def _value(tokens: Iterator[str]) -> str:
    """Return the value of an option that stands behind it."""
    token = next(tokens, "-")
    return _not_plain() if token.startswith("-") else token


def _placed(arguments: list[_Argument], words: list[str]) -> list[Any]:
    """Return the values of positional arguments."""
    placed: list[Any] = []
    left = list(words)
    for argument in arguments:
        is_rest = argument.kind is inspect.Parameter.VAR_POSITIONAL
        taken, left = (left, []) if is_rest else (left[:1], left[1:])
        if argument.is_required and not taken:
            raise _NotPlainError
        convert = argument.convert or _not_plain()
        placed += [convert(word, "") for word in taken]
    return _not_plain() if left else placed


def _not_plain() -> Any:
    raise _NotPlainError
