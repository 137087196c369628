"""``python -m mcp_background_job.agents.host acp|a2a <run directory>``."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from mcp_background_job.agents.adapters.base import ParsedEnd
from mcp_background_job.agents.host.inbox import Inbox
from mcp_background_job.agents.host.lines import LINE_MAX, Output
from mcp_background_job.agents.host.request import read_request
from mcp_background_job.core.run import RunStatus


async def host(kind: str, directory: str) -> ParsedEnd:
    """Carry out the request in the directory; returns how it ended."""
    output = Output(sys.stdout.buffer)
    inbox = Inbox(output)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, inbox.cancel)
    stdin = asyncio.StreamReader(limit=LINE_MAX)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    following = asyncio.ensure_future(inbox.follow(stdin))
    request = read_request(directory)
    # Each kind loads only the modules that it needs.
    if kind == "acp":
        from mcp_background_job.agents.host.acp import run  # noqa: PLC0415
    else:
        from mcp_background_job.agents.host.a2a import run  # noqa: PLC0415
    try:
        return await run(request, output, inbox)
    finally:
        following.cancel()


def main() -> None:
    """Run, and exit with 0 only if the agent says that it has completed its work."""
    _, kind, directory = sys.argv
    end = asyncio.run(host(kind, directory))
    # This skips the interpreter's own shutdown, in which asyncio would kill an agent that is still alive.
    os._exit(0 if end.status is RunStatus.COMPLETED else 1)


if __name__ == "__main__":
    main()
