"""``serve``: MCP over stdio or HTTP."""

from __future__ import annotations

import gc

from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.serving import stdio
from mcp_background_job.config import load_settings


def serve(*, http: bool = False, host: str = "127.0.0.1", port: int = 8000, read_only: bool = False) -> int:
    """Serve MCP over stdio, which is also what happens without any command.

    Args:
        http: Serve over HTTP instead, with a bearer token; where that is, is said on stderr.
        host: Address to listen on.
        port: Port to listen on.
        read_only: The page only shows: it cannot end, restart or answer anything. Tools are not affected.
    """
    if not http:
        stdio.serve(read_only=read_only)
        return exit_codes.OK
    settings = load_settings()  # before the second that the next import takes: a bad setting is told at once
    gc.disable()  # until it serves
    from mcp_background_job.server.serve import serve_http  # noqa: PLC0415  only this command needs it

    serve_http(settings, host, port, read_only=read_only, tell=terminal.notice)
    return exit_codes.OK
