"""A real client of MCP on a server of which only the command line is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastmcp import Client
from fastmcp.client.transports import StdioTransport

#: A shell that SIGTERM does not end, with a child in a session of its own.
_RESISTS = "trap '' TERM; setsid sh -c \"trap '' TERM; sleep 600\" & echo ready; wait; sleep 600"

_WAIT_S = 50
_PAGE = "ui://mcp-background-job/page.html"


async def drive(argv: list[str], environ: dict[str, str], cwd: Path, version: str) -> None:
    """Do with a server what users do first: a job to its end, one that resists, and the page.

    Raises:
        SystemExit: an answer is not what it must be.
    """
    environ = {**environ, "MCP_BG_TOOLSETS": "all"}
    transport = StdioTransport(argv[0], argv[1:], env=environ, cwd=str(cwd), keep_alive=False)
    async with Client(transport) as client:
        _expect("version", client.server_info.version if client.server_info else None, version)
        done = await _call(client, "execute_command", command="echo hi; exit 3", wait_s=_WAIT_S)
        _expect("a job", (done["output"], done["exit_code"]), ("hi", 3))
        job = await _call(client, "execute_command", command=_RESISTS, until="ready", wait_s=_WAIT_S)
        killed = await _call(client, "kill_job", job_id=job["job_id"], grace_s=0.2)
        _expect("kill_job", killed["status"], "killed")
        (page,) = await client.read_resource(_PAGE)
        _expect("the page", "<script" in str(getattr(page, "text", "")), wanted=True)


async def _call(client: Client[Any], tool: str, **arguments: object) -> dict[str, Any]:
    return (await client.call_tool(tool, arguments)).structured_content or {}


def _expect(what: str, seen: object, wanted: object) -> None:
    if seen != wanted:
        raise SystemExit(f"{what} of the installed server: {seen!r} instead of {wanted!r}")
