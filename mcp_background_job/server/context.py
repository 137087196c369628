"""Who calls, as FastMCP tells it."""

from __future__ import annotations

import os

from mcp_background_job.actions.caller import Caller
from mcp_background_job.core.news import Reader
from mcp_background_job.core.wire import utf8
from mcp_background_job.processes.client import own_conversation
from mcp_background_job.server.fastmcp_names import Context

#: Where this server was started; its directory may be gone by the time somebody asks.
_WHERE = os.environ.get("PWD", "")


def caller_of(context: Context, project: str) -> Caller:
    """Return who makes a call: known by the client's name and where it works, also after a restart.

    Args:
        context: of the call.
        project: directory of the project that this server works for; empty for none.
    """
    parameters = context.session.client_params
    name = parameters.client_info.name if parameters else "unknown"
    client = utf8(f"{name}@{_WHERE}")  # compared with what the index holds, which is UTF-8

    async def progress(waited_s: float, limit_s: float, what: str) -> None:
        await context.report_progress(waited_s, limit_s, utf8(f"{what}, {waited_s:.0f} s"))

    # Over HTTP the parent of this server is nobody's client.
    reader = Reader(utf8(f"{name}@{project}"), own_conversation() if context.transport == "stdio" else "")
    return Caller(client=client, directory=_WHERE, project=project, reader=reader, progress=progress)
