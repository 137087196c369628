"""What an ACP agent says of a failure beside the protocol, which has no place for one that ends a turn. Pure.

Codex ends the turn in which its model could not be asked as any other, with the error as its last message. That it
failed is told in ``_meta`` alone: as the state of its thread, and, to a client that says that it understands it, as a
failure with a category.
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
