"""What the model says, whichever protocol it is asked by. A scenario is the first part of the path of its address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Say:
    """Ends the turn with a message."""

    text: str


@dataclass(frozen=True)
class Call:
    """Asks for a command to be run."""

    command: str


@dataclass(frozen=True)
class Refuse:
    """Gives no answer but an HTTP status."""

    status: int


@dataclass(frozen=True)
class Drop:
    """Begins to answer, and hangs up."""


@dataclass(frozen=True)
class Err:
    """Begins to answer, and says in the stream that it failed."""


@dataclass(frozen=True)
class Hang:
    """Takes the question, and says nothing as long as the model lives."""


Reply = Say | Call | Refuse | Drop | Err | Hang

#: Scenarios in which the model asks for a command first, and says what came of it then.
COMMANDS: Mapping[str, str] = {
    "tool": "echo hello-from-tool; exit 3",
    "sleep": "echo started; sleep 300; echo never",
    "setsid": "setsid nohup sleep 301 >/dev/null 2>&1 & sleep 302",
    "bg": "nohup sleep 303 >/dev/null 2>&1 & echo bg-started",
}


def reply(scenario: str, *, asked: int, outputs: list[str], commands: Mapping[str, str]) -> Reply:
    """Return what the model says.

    Args:
        scenario: ``hello``, ``drop``, ``flaky``, ``errevent``, ``hang``, ``http`` and a status, or one of the commands.
        asked: how often it was asked before in this scenario.
        outputs: of the commands that were run in this conversation.
        commands: by scenario.
    """
    if scenario.startswith("http"):
        return Refuse(int(scenario.removeprefix("http")))
    if scenario == "hang":
        return Hang()
    if scenario == "errevent":
        return Err()
    if scenario == "drop" or (scenario == "flaky" and not asked):
        return Drop()
    if outputs:
        return Say(f"done: {outputs[-1]}")
    return Call(commands[scenario]) if scenario in commands else Say("hello from the model")
