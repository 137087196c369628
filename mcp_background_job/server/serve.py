"""Serves MCP over stdio, and over HTTP with a bearer token."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import os
import secrets
import sys

from mcp_background_job.app import build
from mcp_background_job.config import Settings, variable_of
from mcp_background_job.errors import StateDirError
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.server import stdio
from mcp_background_job.server.build import build_server
from mcp_background_job.server.fastmcp_names import AccessToken, Middleware, TokenVerifier
from mcp_background_job.server.http_path import PATH, ProjectInPath

_TOKEN_BYTES = 32

_INSTEAD = f"or set {variable_of('http_token')}"


def serve_stdio(settings: Settings) -> None:
    """Serve over stdin and stdout until stdin is closed."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    manager = build(settings, is_server=True)
    asyncio.run(stdio.serve_stdio(build_server(manager, settings)))


def serve_http(settings: Settings, host: str, port: int) -> None:
    """Serve over HTTP, to those who know the token, until interrupted. Where the token is, is said on stderr."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    manager = build(settings, is_server=True)
    token = _token(settings)
    server = build_server(manager, settings, auth=_BearerToken(token))
    sys.stderr.write(_how_to_use(settings, host, port))
    server.run(
        "http",
        host=host,
        port=port,
        path=PATH,
        middleware=[Middleware(ProjectInPath)],
        show_banner=False,
        log_level="WARNING",
        host_origin_protection=True,
    )


class _BearerToken(TokenVerifier):
    """Lets in who knows the one token."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self._token = token

    async def verify_token(self, token: str) -> AccessToken | None:
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            return None
        return AccessToken(token=token, client_id="bearer", scopes=[])


def _token(settings: Settings) -> str:
    """Return the configured token, else the stored one, else a new one that is then stored."""
    if settings.http_token is not None:
        return settings.http_token
    path = StateDir(settings.state_dir).http_token
    new = f"{path}.{os.getpid()}.new"
    try:
        records.write(new, f"{secrets.token_urlsafe(_TOKEN_BYTES)}\n".encode())
        try:
            # Whole at once, and only if there is none: of two servers that start at once one makes it, both read it.
            with contextlib.suppress(FileExistsError):
                os.link(new, path)
        finally:
            os.unlink(new)  # noqa: PTH108  a plain path of the state directory
        with open(path, "rb") as file:  # noqa: PTH123  likewise
            token = file.read().strip()
    except OSError as error:
        raise StateDirError(
            f"the token in {path} can be neither read nor made: {error.strerror}; remove it, {_INSTEAD}"
        ) from error
    if not token or not token.isascii() or len(token.split()) != 1:
        raise StateDirError(f"{path} holds no token: remove it, and a new one is made; {_INSTEAD}")
    return token.decode()


def _how_to_use(settings: Settings, host: str, port: int) -> str:
    where = (
        f"the value of {variable_of('http_token')}"
        if settings.http_token is not None
        else f"in {StateDir(settings.state_dir).http_token}"
    )
    return (
        f"mcp-background-job serves MCP at http://{host}:{port}{PATH}\n"
        f"The bearer token is {where}; clients send it as a header: Authorization: Bearer TOKEN\n"
    )
