"""``serve``: MCP over stdio or HTTP."""

from __future__ import annotations

import signal
import sys

from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.config import load_settings


def serve(*, http: bool = False, host: str = "127.0.0.1", port: int = 8000) -> int:
    """Serve MCP over stdio, which is also what happens without any command.

    Args:
        http: Serve over HTTP instead, with a bearer token; where that is, is said on stderr.
        host: Address to listen on.
        port: Port to listen on.
    """
    settings = load_settings()  # before the second that the next import takes: a bad setting is told at once
    if not http and sys.stdin.isatty():
        terminal.say("serving MCP over stdio, for a client that speaks it; Ctrl-C ends this, --help shows the commands")
    from mcp_background_job.server.serve import serve_http, serve_stdio  # noqa: PLC0415  only this command needs it

    if http:
        serve_http(settings, host, port)
    else:
        # The thread that reads stdin cannot be interrupted, and Python's own handling of Ctrl-C would wait for it.
        # There is nothing to tidy up that a server must not be able to leave behind.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        serve_stdio(settings)
    return exit_codes.OK
