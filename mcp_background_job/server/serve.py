"""Serves MCP over stdio, and over HTTP with a bearer token."""

from __future__ import annotations

import asyncio
import gc
import hmac
import logging
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from mcp_background_job.actions.house import House
from mcp_background_job.app import build
from mcp_background_job.config import Settings, variable_of
from mcp_background_job.executors import looping
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.server import stdio
from mcp_background_job.server.build import build_server
from mcp_background_job.server.fastmcp_names import AccessToken, Middleware, TokenVerifier
from mcp_background_job.server.http_path import PATH, ProjectInPath

if TYPE_CHECKING:  # a server over stdio does without the page until a client shows it
    from mcp_background_job.web.paths import AsgiApp

#: Addresses that are all of a machine's, and no name of it.
_ANY = ("0.0.0.0", "::", "")  # noqa: S104  nothing is bound here


def serve_stdio(settings: Settings, *, read_only: bool = False) -> None:
    """Serve over stdin and stdout until stdin is closed; ``read_only``: pages may only look."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    manager = build(settings, is_server=True)
    server = build_server(manager, settings, read_only=read_only)
    _keep_what_is_loaded()
    asyncio.run(stdio.serve_stdio(server))


def _keep_what_is_loaded() -> None:
    """Have what was made until now never searched for garbage, and begin to search what is made from now on.

    It is there for good. To search it takes a tenth of a second: that often at the start, where the caller has turned
    the search off, and later now and then, while all calls wait.
    """
    gc.freeze()
    gc.enable()


def _on_stderr(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


def serve_http(
    settings: Settings, host: str, port: int, *, read_only: bool = False, tell: Callable[[str], object] = _on_stderr
) -> None:
    """Serve over HTTP, with a token, until interrupted.

    Args:
        settings: what is set.
        host: to listen on.
        port: to listen on.
        read_only: whether pages, in a browser and in a chat, may only look.
        tell: gets each sentence about where the token is, and the page.
    """
    from mcp_background_job.web.beside import Beside  # noqa: PLC0415  see the top
    from mcp_background_job.web.secret import secret_of  # noqa: PLC0415  likewise

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    manager = build(settings, is_server=True)
    token = secret_of(settings)
    house = House.of(manager, settings)
    server = build_server(manager, settings, auth=_BearerToken(token), shared=house, read_only=read_only)
    for sentence in (*_how_to_use(settings, host, port), *_where_to_look(token, host, port)):
        tell(sentence)
    _keep_what_is_loaded()
    served = server.run_async(
        "http",
        host=host,
        port=port,
        path=PATH,
        middleware=[
            Middleware(ProjectInPath),
            Middleware(Beside, make_page=lambda: _page(house, token, host, port, read_only=read_only)),
        ],
        show_banner=False,
        log_level="WARNING",
        host_origin_protection=True,
    )
    looping.in_loop(served)


class _BearerToken(TokenVerifier):
    """Accepts clients that know the token."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self._token = token

    async def verify_token(self, token: str) -> AccessToken | None:
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            return None
        return AccessToken(token=token, client_id="bearer", scopes=[])


def _how_to_use(settings: Settings, host: str, port: int) -> tuple[str, ...]:
    where = (
        f"the value of {variable_of('http_token')}"
        if settings.http_token is not None
        else f"in {StateDir(settings.state_dir).http_token}"
    )
    return (
        f"mcp-background-job serves MCP at http://{host}:{port}{PATH}",
        f"The bearer token is {where}; clients send it as a header: Authorization: Bearer TOKEN",
    )


def _where_to_look(secret: str, host: str, port: int) -> tuple[str, ...]:
    from mcp_background_job.web.paths import command_for_link, link_of  # noqa: PLC0415  see the top
    from mcp_background_job.web.session import Sessions  # noqa: PLC0415  likewise

    reached = "127.0.0.1" if host in _ANY else host
    link = link_of(port, Sessions(secret, port).new_code(), reached)
    return (
        f"Jobs, renders and runs are shown on a page: {link} lets one browser in, once, within ten minutes",
        f"{command_for_link(port)} prints another link",
    )


def _page(house: House, secret: str, host: str, port: int, *, read_only: bool) -> AsgiApp:
    from mcp_background_job.web.parts import page_app  # noqa: PLC0415  a server that nobody looks at does without

    app, *_ = page_app(house, secret, port, host="" if host in _ANY else host, read_only=read_only)
    return app
