"""The known agents, by the value of ``backend``. Each adapter is imported on first use."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from mcp_background_job.agents.adapters.base import Adapter
from mcp_background_job.errors import InvalidRequestError

_ROOM = "mcp_background_job.agents.adapters"

#: Name and module. The module has the adapter as ``ADAPTER``.
ADAPTERS: Mapping[str, str] = {
    name: f"{_ROOM}.{name}"
    for name in ("codex", "claude_code", "gemini", "antigravity", "opencode", "command", "acp", "remote_a2a")
}

#: The agents that are programs, and their names on PATH; for the other agents the caller names what to start.
PROGRAMS: Mapping[str, str] = {
    "codex": "codex",
    "claude_code": "claude",
    "gemini": "gemini",
    "antigravity": "agy",
    "opencode": "opencode",
}


def adapter_named(name: str) -> Adapter:
    """Return the adapter of a backend.

    Raises:
        InvalidRequestError: there is none of this name.
    """
    if name not in ADAPTERS:
        raise InvalidRequestError(f"there is no backend {name!r}; take one of: {', '.join(ADAPTERS)}")
    adapter: Adapter = importlib.import_module(ADAPTERS[name]).ADAPTER
    return adapter
