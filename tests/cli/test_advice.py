"""Commands that messages advise exist, and take the options with which they are advised."""

from __future__ import annotations

import re
from functools import cache

import pytest

from mcp_background_job.cli.commands import ALL
from mcp_background_job.cli.parser import build_app
from mcp_background_job.cli.wording import PROGRAM, typed
from tests.sentences import sentences

#: A command in a sentence: all words up to the next sign of punctuation.
_COMMAND = re.compile(rf"{PROGRAM}((?: (?:\"[^\"]*\"|[\w-]+))+)")

#: What is said to clients of the server alone.
_NOT_TYPED = ("server", "runner")


def _advised() -> set[str]:
    said = [typed(text) for _, text in sentences(_NOT_TYPED)]
    return {command.strip() for text in said for command in _COMMAND.findall(text)}


ADVISED = sorted(_advised())


@cache
def _options(command: tuple[str, ...]) -> frozenset[str]:
    _, app, *_ = build_app(list(command)).parse_commands(list(command))
    arguments = app[-1].assemble_argument_collection()
    return frozenset(name for argument in arguments for name in argument.names if name.startswith("-"))


def test_many_messages_advise_commands() -> None:
    assert len(ADVISED) > 30


@pytest.mark.parametrize("advised", ADVISED)
def test_an_advised_command_takes_the_options_with_which_it_is_advised(advised: str) -> None:
    words = advised.split()
    command, rest = ALL.named(words)
    options = [word for word in rest if word.startswith("--")]
    if options:
        assert command.path, f"{advised}: there is no such command"
        assert set(options) <= _options(tuple(words[: len(words) - len(rest)])), advised
