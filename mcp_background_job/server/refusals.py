"""Refuses requests for resources that do not exist, as the protocol demands."""

from __future__ import annotations

import logging

from mcp_background_job.core.wire import utf8
from mcp_background_job.errors import BackgroundJobError
from mcp_background_job.server.fastmcp_names import INVALID_PARAMS, FastMCPError, MCPError


class RefusedError(FastMCPError, MCPError):
    """The resource does not exist: this is an answer, so FastMCP does not log it as an error of the server."""

    def __init__(self, message: str, data: dict[str, str]) -> None:
        """Takes the sentence, and what a program needs to know."""
        MCPError.__init__(self, INVALID_PARAMS, message, data)
        self.log_level = logging.DEBUG


def not_there(uri: str, error: BackgroundJobError | None = None) -> RefusedError:
    """Return the refusal of a URI."""
    if error is None:
        return RefusedError(utf8(f"there is no resource {uri!r}"), {"uri": utf8(uri)})
    return RefusedError(utf8(str(error)), {"uri": utf8(uri), "code": error.code})
