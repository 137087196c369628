"""A program that the request itself names: ``backend_config.command``, its argv."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from mcp_background_job.agents.adapters.base import Availability
from mcp_background_job.agents.adapters.options import strings
from mcp_background_job.agents.adapters.program import find, missing
from mcp_background_job.errors import InvalidRequestError


def argv_of(backend: str, config: Mapping[str, Any], example: str) -> list[str]:
    """Return the argv that a request names.

    Raises:
        InvalidRequestError: it names none.
    """
    command = strings(config, "command")
    if not command or not command[0].strip(os.sep):
        raise InvalidRequestError(f"backend {backend} needs backend_config.command, an argv such as {example}")
    return command


def look(backend: str, config: Mapping[str, Any], environment: Mapping[str, str], example: str) -> Availability:
    """Look for the first word of that argv."""
    try:
        program = argv_of(backend, config, example)[0]
        path = find(program, environment)
    except InvalidRequestError as error:
        return Availability(None, reason=str(error))
    return Availability(path, reason="" if path else f"{missing(program)}; install it, or give its absolute path")
