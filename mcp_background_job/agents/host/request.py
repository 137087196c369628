"""The host's request: the adapter leaves it as a file in the run's directory."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp_background_job.agents.adapters.hosted import REQUEST_FILE


@dataclass(frozen=True)
class HostRequest:
    """Attributes: the first message and its files, the workspace, the session to resume, facts about the agent."""

    prompt: str
    cwd: str
    resume: str | None
    config: dict[str, Any]
    files: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


def read_request(directory: str) -> HostRequest:
    """Return the request in a run's directory."""
    return HostRequest(**json.loads((Path(directory) / REQUEST_FILE).read_bytes()))
