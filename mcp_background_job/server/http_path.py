"""Lets a client over HTTP name its project in the path, where its configuration has no place for headers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

#: Header of a request that names the project of whoever makes it.
PROJECT_HEADER = "mcp-bg-project"

#: The path that MCP is served at, and what stands before a project in a longer one.
PATH = "/mcp"
_BEFORE_PROJECT = f"{PATH}/p/"

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]


class ProjectInPath:
    """Serves ``/mcp/p/NAME`` as ``/mcp`` with the header ``MCP-BG-Project: NAME``."""

    def __init__(self, app: App) -> None:
        """Wraps an ASGI application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Pass a request on, as one with a header if its path names a project."""
        if scope["type"] == "http" and scope["path"].startswith(_BEFORE_PROJECT):
            scope = _with_header(scope, scope["path"].removeprefix(_BEFORE_PROJECT))
        await self._app(scope, receive, send)


def _with_header(scope: Scope, project: str) -> Scope:
    name = PROJECT_HEADER.encode()
    others = [header for header in scope["headers"] if header[0].lower() != name]
    added = (name, project.encode("utf-8", "surrogateescape"))
    return {**scope, "path": PATH, "raw_path": PATH.encode(), "headers": [*others, added]}
