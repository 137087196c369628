"""``mcp-background-job`` without arguments: serves MCP over stdio."""

from __future__ import annotations

import gc
import signal
import sys
from typing import NoReturn

from mcp_background_job.cli import exit_codes, output, terminal
from mcp_background_job.cli.descriptors import closed
from mcp_background_job.config import load_settings
from mcp_background_job.errors import BackgroundJobError, InvalidRequestError


def run() -> NoReturn:
    """Serve until stdin is closed, and exit."""
    output.guard_errors()
    try:
        serve()
    except BackgroundJobError as error:
        terminal.say(str(error))
        sys.exit(exit_codes.of_error(error))
    sys.exit(exit_codes.OK)


def serve(*, read_only: bool = False) -> None:
    """Serve until stdin is closed.

    Args:
        read_only: whether the page in a chat may only look.

    Raises:
        BackgroundJobError: a setting or the state directory cannot be used, or there is nobody to serve.
    """
    if missing := closed & {"stdin", "stdout"}:
        raise InvalidRequestError(
            f"{' and '.join(sorted(missing))} {'is' if len(missing) == 1 else 'are'} closed, so there is no client to "
            "serve: start this from one, or use serve --http"
        )
    settings = load_settings()  # before the second that the next import takes: a bad setting is told at once
    if sys.stdin.isatty():
        terminal.say("serving MCP over stdio, for a client that speaks it; Ctrl-C ends this, --help shows the commands")
    gc.disable()  # until it serves
    from mcp_background_job.server.serve import serve_stdio  # noqa: PLC0415  only a server needs it

    # The thread that reads stdin cannot be interrupted, and Python's own handling of Ctrl-C would wait for it. There
    # is nothing to tidy up that a server must not be able to leave behind.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    serve_stdio(settings, read_only=read_only)
