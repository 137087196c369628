"""Serves the page beside another application, at the same port."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from mcp_background_job.web.paths import AsgiApp, Scope, is_of_page


class Beside:
    """An ASGI application that passes what is not of the page to another one."""

    def __init__(self, app: AsgiApp, make_page: Callable[[], AsgiApp]) -> None:
        """Takes the other, and what makes the page when it is first asked for."""
        self._app = app
        self._make_page = make_page

    @cached_property
    def _page(self) -> AsgiApp:
        return self._make_page()

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Pass a request to whom it is for."""
        is_for_page = scope["type"] == "http" and is_of_page(scope["path"])
        await (self._page if is_for_page else self._app)(scope, receive, send)
