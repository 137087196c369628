"""What the host is to do: read from the file that the adapter left in the run's directory."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp_background_job.agents.adapters.hosted import REQUEST_FILE


@dataclass(frozen=True)
class HostRequest:
    """Attributes: the first message and its files, the workspace, the session to go on with, facts of the agent."""

    prompt: str
    cwd: str
    resume: str | None
    config: dict[str, Any]
    files: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


def read_request(directory: str) -> HostRequest:
    """Return the request that stands in a run's directory."""
    return HostRequest(**json.loads((Path(directory) / REQUEST_FILE).read_bytes()))
