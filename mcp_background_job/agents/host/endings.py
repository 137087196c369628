"""The ends of conversations: the status, one word for the reason, and the sentence."""

from __future__ import annotations

from typing import Any

from mcp_background_job.agents.adapters.base import Event, ParsedEnd
from mcp_background_job.core.run import EventType, RunStatus


def failed(reason: str, error: str, **more: Any) -> ParsedEnd:
    """Return the end of a session that failed; ``reason`` is one stable word, ``error`` the sentence."""
    return ParsedEnd(RunStatus.FAILED, {"reason": reason, "error": error, **more})


def cancelled(**more: Any) -> ParsedEnd:
    """Return the end of a session that was stopped."""
    return ParsedEnd(RunStatus.CANCELLED, more)


def login_needed(error: str, **more: Any) -> Event:
    """Return the event that says that the agent has no valid login or key."""
    return Event(EventType.AUTH_REQUIRED, {"error": error, **more})
