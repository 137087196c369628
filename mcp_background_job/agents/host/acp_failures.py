"""What an ACP agent says of a failure beside the protocol, which has no place for one that ends a turn. Pure.

Codex ends the turn in which its model could not be asked as any other, with the error as its last message. That it
failed is told in ``_meta`` alone: as the state of its thread, and, to a client that says that it understands it, as a
failure with a category.

Copilot CLI tells in messages of its own, which nothing marks, that it tries again, and at last that it has given up.
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

#: What a client says that is to be told of failures.
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
    """Whether a piece of a message may say that the agent could not ask its model; its model may say so too."""
    return agent == _COPILOT and words.startswith(_GIVES_UP)


def has_given_up(agent: str, words: str, answer: JsonObject) -> bool:
    """Whether the last message of a turn says that the model could not be asked: it has used no tokens then."""
    return gives_up(agent, words) and not answer.get("usage")


def failure_in(message: JsonObject) -> JsonObject:
    """Return the failure that a message tells: ``category``, ``severity``, ``title``; nothing if it tells none."""
    air = mapping(mapping(mapping(message.get("_meta")).get("jetbrains")).get("air"))
    return mapping(air.get("sessionFailure"))


def is_fatal(failure: JsonObject) -> bool:
    """Whether a failure is more than a trouble that the agent may get over."""
    return failure.get("severity") == "error"


def says_it_failed(message: JsonObject) -> bool:
    """Whether a message says that the agent's thread is in a state of error."""
    status = mapping(mapping(mapping(message.get("_meta")).get("codex")).get("threadStatus"))
    return status.get("type") == "systemError"


def reason_in(failure: JsonObject, said: str) -> str:
    """Return the word for a failure: by what the agent says, or else by its category."""
    return reason_of(said) or _CATEGORIES.get(text(failure.get("category")), AGENT_ERROR)
