"""Failures that an ACP agent reports outside the protocol, which has no place for a failure that ends a turn. Pure.

If Codex cannot ask its model, it ends the turn like any other, with the error as its last message. Only ``_meta`` says
that the turn failed: as the state of the thread, and, for a client that declares support, as a failure with a category.

Copilot CLI reports in ordinary, unmarked messages that it tries again, and finally that it has given up.
"""

from __future__ import annotations

from mcp_background_job.agents.adapters.failures import (
    AGENT_ERROR,
    API_ERROR,
    AUTH,
    RATE_LIMIT,
    SERVER_ERROR,
    reason_of,
)
from mcp_background_job.agents.adapters.reading import JsonObject, mapping, text

#: The client capability that asks for failures.
UNDERSTANDS = {"jetbrains": {"air": {"version": 1, "capabilities": ["sessionFailure"]}}}

_CATEGORIES = {
    "access": AUTH,
    "limit": RATE_LIMIT,
    "service": SERVER_ERROR,
    "connection": API_ERROR,
    "request": API_ERROR,
}


#: How such messages of Copilot CLI begin.
_COPILOT, _TRIES_AGAIN, _GIVES_UP = "Copilot", "Info: Request failed", "Error: "


def tries_again(agent: str, words: str) -> bool:
    """Whether a piece of a message says that the agent could not ask its model, and tries again."""
    return agent == _COPILOT and words.startswith(_TRIES_AGAIN)


def gives_up(agent: str, words: str) -> bool:
    """Whether a piece of a message may say that the agent could not ask its model; the model may write the same."""
    return agent == _COPILOT and words.startswith(_GIVES_UP)


def has_given_up(agent: str, words: str, answer: JsonObject) -> bool:
    """Whether the last message of a turn says that the model could not be asked: the turn then used no tokens."""
    return gives_up(agent, words) and not answer.get("usage")


def failure_in(message: JsonObject) -> JsonObject:
    """Return the failure in a message: ``category``, ``severity``, ``title``; empty if there is none."""
    air = mapping(mapping(mapping(message.get("_meta")).get("jetbrains")).get("air"))
    return mapping(air.get("sessionFailure"))


def is_fatal(failure: JsonObject) -> bool:
    """Whether a failure ends the turn: the agent may recover from any other."""
    return failure.get("severity") == "error"


def says_it_failed(message: JsonObject) -> bool:
    """Whether a message says that the agent's thread is in a state of error."""
    status = mapping(mapping(mapping(message.get("_meta")).get("codex")).get("threadStatus"))
    return status.get("type") == "systemError"


def reason_in(failure: JsonObject, said: str) -> str:
    """Return the word for a failure: by the agent's words, or else by the failure's category."""
    return reason_of(said) or _CATEGORIES.get(text(failure.get("category")), AGENT_ERROR)
