"""What is read of a plain line is what cyclopts reads of it; what is not plain is left to that."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import cache, partial
from typing import Any

import pytest
from cyclopts import App
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_background_job.cli.binder import bind
from mcp_background_job.cli.command import Command
from mcp_background_job.cli.commands import ALL
from mcp_background_job.cli.parser import build_app


def _leaves(command: Command, *above: str) -> Iterator[tuple[tuple[str, ...], Command]]:
    if command.path:
        yield above, command
    for below in command.commands:
        yield from _leaves(below, *above, below.name)


COMMANDS = {" ".join(words): (list(words), command) for words, command in _leaves(ALL)}

#: Words that are typed: values of every kind that options take, and what is no value of theirs.
WORDS = [
    *("a", "train", "", "5", "0", "007", "5m", "1.5", "a b", "ü", "~", ".", "/tmp", "{}", "NAME=VALUE", "a=b=c"),
    *("exit", "port:3000", "pipe", "on-failure", "TERM", "return", "stdout", "completed", "front", "kill", "workflow"),
    "codex",
]
ODD = ["-", "-x", "-1", "--no-such", "--help", "-h", "--version", "-fA", "--json=true", "--no-json", "--limit", "-n5"]


@cache
def _app(words: str) -> App:
    return build_app(COMMANDS[words][0])


@cache
def _options(words: str) -> list[str]:
    """Return the options of a command, as cyclopts knows them."""
    _, app, *_ = _app(words).parse_commands(COMMANDS[words][0])
    arguments = app[-1].assemble_argument_collection()
    return [name for argument in arguments for name in argument.names if name.startswith("-")]


def _theirs(words: str, line: list[str]) -> dict[str, Any]:
    _, bound, _ = _app(words).parse_args([*COMMANDS[words][0], *line], exit_on_error=False, print_error=False)
    bound.apply_defaults()
    return dict(bound.arguments)


def _ours(words: str, line: list[str]) -> dict[str, Any] | None:
    function = COMMANDS[words][1].load()
    call = bind(function, line)
    if call is None:
        return None
    assert isinstance(call, partial)
    bound = inspect.signature(function).bind(*call.args, **call.keywords)
    bound.apply_defaults()
    return dict(bound.arguments)


def _line(words: str) -> st.SearchStrategy[list[str]]:
    word = st.sampled_from(WORDS)
    option = st.sampled_from(_options(words) or ["--none"])
    part = st.one_of(
        word.map(lambda one: [one]),
        option.map(lambda one: [one]),
        st.tuples(option, word).map(list),
        st.tuples(option, word).map(lambda two: ["=".join(two)]),
        st.sampled_from(ODD).map(lambda one: [one]),
    )
    before = st.lists(part, max_size=4).map(lambda parts: [token for one in parts for token in one])
    rest = st.lists(st.sampled_from([*WORDS, *ODD]), max_size=3).map(lambda found: ["--", *found])
    behind = st.one_of(st.just(list[str]()), rest)
    return st.tuples(before, behind).map(lambda two: [*two[0], *two[1]])


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_line_that_is_read_is_read_as_cyclopts_reads_it(data: st.DataObject) -> None:
    words = data.draw(st.sampled_from([*COMMANDS]))
    line = data.draw(_line(words))
    ours = _ours(words, line)
    if ours is not None:
        assert ours == _theirs(words, line)


@pytest.mark.parametrize(
    "line",
    [
        "run -- make -j 8",
        "run --name dev --stdin pty --timeout 5m --env A=1 --env B=2 -f -- npm run dev",
        "list",
        "list -A --limit 5 --status running --json",
        "status train --json",
        "logs train -f",
        "logs train --lines 20 --stream stderr --grep=error",
        "wait a b --any --until port:3000 --fail-on FAILED --timeout 90",
        "send train --keys ctrl-c,enter",
        "kill train --signal HUP --signal-only",
        "restart train -- make",
        "prune --older-than 7d",
        "comfyui submit flow.json --override 3.inputs.seed=1,2 --follow",
        "comfyui batch abc --wait 5m",
        "runs events alice --follow --after 3",
    ],
)
def test_the_usual_lines_are_read_without_cyclopts(line: str) -> None:
    command, arguments = ALL.named(line.split())
    assert bind(command.load(), arguments)


@pytest.mark.parametrize(
    "line",
    [
        "run",
        "run --help",
        "list --limit few",
        "list --no-such-option",
        "list --json --json",
        "list surplus",
        "wait --any",
        "logs train --stream both-of-them",
        "send train --keys",
        "status --json=true train",
        "comfyui batch pause abc def",
    ],
)
def test_what_is_not_plain_is_left_to_cyclopts(line: str) -> None:
    command, arguments = ALL.named(line.split())
    assert bind(command.load(), arguments) is None
