"""How a conversation that went wrong is told: the status, a word for the reason, and the sentence."""

from __future__ import annotations

import re
from typing import Any

from mcp_background_job.agents.adapters.base import Event, ParsedEnd
from mcp_background_job.core.run import EventType, RunStatus

#: Agents pass on what a model's server said in their own words; some have no other sign of a refused key.
_REFUSED_KEY = re.compile(r"\b401\b|unauthori[sz]ed|unauthenticated|authenticat|invalid api key", re.IGNORECASE)


def failed(reason: str, error: str, **more: Any) -> ParsedEnd:
    """Return the end of a session that failed; ``reason`` is one word that stays the same, ``error`` the sentence."""
    return ParsedEnd(RunStatus.FAILED, {"reason": reason, "error": error, **more})


def cancelled(**more: Any) -> ParsedEnd:
    """Return the end of a session that was stopped."""
    return ParsedEnd(RunStatus.CANCELLED, more)


def speaks_of_refused_key(error: str) -> bool:
    """Tell whether an error in an agent's own words says that it has no valid login or key."""
    return bool(_REFUSED_KEY.search(error))


def login_needed(error: str, **more: Any) -> Event:
    """Return the event that tells that the agent has no valid login or key."""
    return Event(EventType.AUTH_REQUIRED, {"error": error, **more})
