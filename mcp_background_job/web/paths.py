"""The paths of the page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

#: Where a one-time code becomes a cookie.
ENTER = "/enter"

#: What needs no cookie, beside the page itself.
STATIC = "/static/"

#: What needs the cookie.
API = "/api/"

#: Parts of the page, which stand behind a ``#`` in its address. People type them as paths.
PARTS = ("/jobs", "/comfyui", "/runs")

#: Browsers leave this port out.
HTTP_PORT = 80

Scope = MutableMapping[str, Any]
AsgiApp = Callable[[Scope, Any, Any], Awaitable[None]]


def is_of_page(path: str) -> bool:
    """Tell whether a path is one of the page's, where it shares a port with others."""
    return path in ("/", ENTER, *PARTS) or path.startswith((STATIC, API))


def link_of(port: int, code: str, host: str = "127.0.0.1") -> str:
    """Return a link that lets one browser in."""
    return f"http://{host}:{port}{ENTER}?code={code}"


def command_for_link(port: int | None) -> str:
    """Return the command that prints another link to the page at a port; ``None`` means that of HTTP."""
    return f"mcp-background-job dashboard --link --port {port or HTTP_PORT}"
