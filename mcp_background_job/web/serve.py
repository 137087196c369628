"""Serves the page by itself: ``mcp-background-job dashboard``."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable

import uvicorn

from mcp_background_job.actions.house import House
from mcp_background_job.app import build
from mcp_background_job.config import Settings
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.executors import looping
from mcp_background_job.web.calls import Calls
from mcp_background_job.web.parts import page_app
from mcp_background_job.web.paths import link_of
from mcp_background_job.web.secret import secret_of
from mcp_background_job.web.session import Sessions

_HOST = "127.0.0.1"

#: Where a page is served unless something else is: cookies and bookmarks hold from one time to the next.
PORT = 7420

#: Seconds for which a thread that reads a log may keep the interpreter from the loop that answers: a tenth of what
#: Python grants it. An answer takes several turns.
_SWITCH_S = 0.0005

#: Whoever listens on this machine takes a connection at once.
_ANSWER_S = 5.0

#: A browser keeps its connections open; nothing is being done for them by then.
_CLOSE_S = 1


def serve_page(settings: Settings, port: int | None, *, read_only: bool, tell: Callable[[str], None]) -> None:
    """Serve until interrupted.

    Args:
        settings: what is set.
        port: to listen on; 0 for any, ``None`` for the usual one or, if that is taken, any.
        read_only: whether pages may only look.
        tell: is given a link that lets one browser in, as soon as it can be followed.

    Raises:
        InvalidRequestError: the port cannot be listened on.
    """
    sys.setswitchinterval(_SWITCH_S)
    listener = _listening(port)
    with listener:
        bound = listener.getsockname()[1]
        manager = build(settings, is_server=True)
        try:
            house = House.of(manager, settings)
            looping.in_loop(_serve(house, settings, listener, bound, read_only=read_only, tell=tell))
        finally:
            manager.close()


def another_link(settings: Settings, port: int | None) -> str:
    """Return a link to a page that another process serves over the same state directory; see ``serve_page``.

    Raises:
        InvalidRequestError: nobody listens at the port.
        StateDirError: this is not the directory of anybody who serves.
    """
    reached = port or PORT
    try:
        socket.create_connection((_HOST, reached), _ANSWER_S).close()
    except OSError as error:
        raise InvalidRequestError(
            f"--port {reached}: nothing is served there ({error}): leave --link out to serve the page"
        ) from error
    return link_of(reached, Sessions(secret_of(settings), reached).new_code())


async def _serve(
    house: House,
    settings: Settings,
    listener: socket.socket,
    port: int,
    *,
    read_only: bool,
    tell: Callable[[str], None],
) -> None:
    app, calls, sessions = page_app(house, secret_of(settings), port, read_only=read_only)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=_CLOSE_S,
    )
    starting = asyncio.create_task(house.manager.places.start())
    calls.load()
    tell(link_of(port, sessions.new_code()))
    try:
        await _Server(config, calls).serve(sockets=[listener])
    finally:
        await starting
        await house.close()
        await house.manager.places.finish()
        await house.manager.inheritance.close()


class _Server(uvicorn.Server):
    """Answers the pages that wait before it waits for their connections."""

    def __init__(self, config: uvicorn.Config, calls: Calls) -> None:
        super().__init__(config)
        self._calls = calls

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._calls.watching.close()
        await super().shutdown(sockets)


def _listening(port: int | None) -> socket.socket:
    if port is None:
        with contextlib.suppress(OSError):  # taken: by another dashboard, most likely
            return socket.create_server((_HOST, PORT))
    try:
        return socket.create_server((_HOST, port or 0))
    except (OSError, OverflowError) as error:
        raise InvalidRequestError(
            f"--port {port}: cannot be listened on: {error}; give another, or 0 for any"
        ) from error
