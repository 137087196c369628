"""Every value that a help text, a tool or an error gives as an example is accepted where it is shown."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from typing import Literal, get_args, get_origin, get_type_hints

import pytest

from mcp_background_job.actions.jobs.waiting import WaitFor
from mcp_background_job.cli import durations
from mcp_background_job.cli.command import Command
from mcp_background_job.cli.commands import ALL
from mcp_background_job.cli.parser import run
from mcp_background_job.core.waiting import Kind, parse_until
from mcp_background_job.errors import InvalidRequestError

NOW = 1_900_000_000.0

#: Lengths of time, moments, URLs and objects stand out in any text; a letter stands for a number.
_EXAMPLE = re.compile(
    r"\b\d+(?:\.\d+)?(?:min|[smhdw])\b(?: ago)?|\b\d{4}-\d\d-\d\dT[\d:]+|https?://[\w./:]+|\{\"[^}]*\}|(?:port|idle):[NS]\b"
)

#: Carry out what a command has read.
_USES = ("with_manager", "with_runs", "with_comfyui", "carry_out", "run")


def examples(text: str) -> list[str]:
    return [re.sub(r"(?<=:)[NS]$", "10", example) for example in _EXAMPLE.findall(text)]


def commands(below: Command = ALL, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Command]]:
    for command in below.commands:
        if command.path:
            yield (*path, command.name), command
        yield from commands(command, (*path, command.name))


def shown() -> Iterator[tuple[str, str, str]]:
    """Yield each example in the help of an option, with the command and the option."""
    for path, command in commands():
        told = (command.load().__doc__ or "").partition("Args:")[2]
        for name, text in re.findall(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", told, re.MULTILINE):
            for example in examples(text):
                yield " ".join(path), name, example


SHOWN = sorted(set(shown()))


def test_there_are_examples_in_many_helps() -> None:
    assert len({command for command, _, _ in SHOWN}) > 10


def _done(*_: object, **__: object) -> int:
    return 0


@pytest.mark.parametrize(("path", "name", "example"), SHOWN)
def test_an_example_in_a_help_is_accepted(path: str, name: str, example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    command, _ = ALL.named(path.split())
    function = command.load()
    module = sys.modules[function.__module__]
    done = [use for use in _USES if getattr(module, use, function) is not function]
    for use in done:  # the command is read, and not carried out
        monkeypatch.setattr(module, use, _done)
    assert done, "add what carries the command out"
    hints = get_type_hints(function)
    positional = [one for one in inspect.signature(function).parameters.values() if one.kind is not one.KEYWORD_ONLY]
    words = [_word(hints[one.name]) for one in positional if one.name != "command" or len(positional) == 1]
    options = ["--client=codex"] if "client" in hints else []
    assert not run([*path.split(), *words, *options, f"--{name.replace('_', '-')}", example])


def _word(hint: object) -> str:
    return get_args(hint)[0] if get_origin(hint) is Literal else "x"


@pytest.mark.parametrize("wrong", ["soon", "yesterday", "5 moons ago"])
def test_an_example_in_an_error_on_a_time_is_accepted(wrong: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        durations.moment(wrong, NOW, "--since")
    told = examples(str(refused.value).removeprefix(f"--since {wrong!r}"))
    assert "5m ago" in told
    assert all(durations.moment(example, NOW, "") for example in told)
    with pytest.raises(InvalidRequestError) as refused:
        durations.seconds(wrong, "--grace")
    assert [durations.seconds(example, "") for example in examples(str(refused.value))] == [90, 300, 7200, 604_800]


@pytest.mark.parametrize(("text", "ago_s"), [("2h ago", 7200), ("90 s ago", 90), ("1.5d ago", 129_600), ("45", 45)])
def test_a_length_of_time_ago_is_a_moment(text: str, ago_s: float) -> None:
    assert durations.moment(text, NOW, "--since") == NOW - ago_s


@pytest.mark.parametrize("text", ["ago", "5m ago ago", "in 5m", "-5m ago"])
def test_other_words_with_ago_are_none(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        durations.moment(text, NOW, "--since")


def test_an_example_of_what_a_tool_waits_for_is_one() -> None:
    (told,) = get_type_hints(WaitFor, include_extras=True)["until"].__metadata__
    kinds = [
        parse_until(example.replace("…", "localhost")).kind for example in re.findall(r'"([^"]+)"', told.description)
    ]
    assert kinds == [Kind.EXIT, Kind.PORT, Kind.HTTP, Kind.IDLE]
