"""Shows the promises with a real server, a real client and real processes, in about half a minute.

Nothing here is staged: every line that is printed comes from an answer of the server or from the kernel.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from mcp_types import TextContent

from mcp_background_job.app import build
from mcp_background_job.config import Settings, load_settings
from mcp_background_job.core.job import JobChoice
from mcp_background_job.core.states import State
from mcp_background_job.executors import looping
from mcp_background_job.processes.wrapper import ProcessWrapper

_RENDER = """
import sys, time
print("loading scene", flush=True)
time.sleep(1.5)
print("ready to render", flush=True)
for percent in range(1001):
    sys.stdout.write(f"\\rrendering {percent / 10:5.1f} % [{'#' * (percent // 25):<40}]")
    sys.stdout.flush()
    time.sleep(0.006)
print("\\nwrote frame.png")
"""

_RESIST = (
    "trap '' TERM; echo shell $$; "
    "setsid sh -c 'trap \"\" TERM; echo other-session $$; while :; do sleep 1; done' & "
    "( ( trap '' TERM; exec 2>/dev/null; sh -c 'echo orphan $PPID'; while :; do sleep 1; done ) & ) ; "
    "while :; do sleep 1; done"
)

#: The two that the shell starts have told their pids, in either order.
_ALL_RESIST = r"(?s)other-session \d+.*orphan \d+|orphan \d+.*other-session \d+"

_COUNT = "for n in $(seq 1 60); do echo line $n; sleep 0.1; done; exit 42"


def main() -> None:
    """Run the demonstration."""
    with tempfile.TemporaryDirectory(prefix="mcp-background-job-demo-") as directory:
        try:
            looping.in_loop(_demonstrate(directory))
        finally:  # Ctrl-C, or an error: what outlives a server would outlive this too
            looping.in_loop(_end_what_runs(load_settings(state_dir=_state_dir(directory))))


async def _demonstrate(directory: str) -> None:
    began = time.monotonic()
    async with _client(directory) as client:
        tools = await client.list_tools()
        _say(f"A server is up, and offers {len(tools)} tools: {', '.join(tool.name for tool in tools)}")
        await _render(client)
        await _kill_what_resists(client)
    await _outlive_the_server(directory)
    _say(
        f"That was all, in {time.monotonic() - began:.0f} s. The state directory of this demonstration is removed now."
    )


async def _end_what_runs(settings: Settings) -> None:
    manager = build(settings)
    try:
        for job in await manager.list(JobChoice(statuses=(State.RUNNING,))):
            await manager.kill(job.job_id, by="demo", why="the demonstration is over", grace_s=0)
    finally:
        await manager.places.finish()
        await manager.inheritance.close()
        manager.close()


async def _render(client: Client[Any]) -> None:
    _promise("Waiting is one call, not forty; and a progress bar costs one line")
    command = f"{shlex.quote(sys.executable)} -c {shlex.quote(_RENDER)}"
    started = await _call(client, "execute_command", command=command, name="render", until="ready to render", wait_s=20)
    _show(f"started {started['job_id']}; the wait ended because: {started['why']} {started['line']!r}")
    middle = await _text(client, "tail_job_output", job_id="render", lines=2)
    _show(f"meanwhile: {middle.splitlines()[-1]}")
    done = await _call(client, "wait_for_job", job_id="render", wait_s=50)
    text = await _text(client, "get_job_output", job_id="render")
    _show(f"{done['status']}, exit code {done['exit_code']}")
    _show(f"{done['next_cursor']} bytes of redraws came to {len(text)} characters:")
    for line in text.splitlines():
        _show(f"    {line}")


async def _kill_what_resists(client: Client[Any]) -> None:
    _promise('"killed" is true: other sessions, orphans and those that ignore SIGTERM included')
    started = await _call(client, "execute_command", command=_RESIST, until=_ALL_RESIST, wait_s=20)
    pids = {word: int(pid) for word, pid in re.findall(r"([a-z-]+) (\d+)", str(started["output"]))}
    _show(f"it runs as {', '.join(f'{word} {pid}' for word, pid in pids.items())}; all ignore SIGTERM")
    killed = await _call(client, "kill_job", job_id=started["job_id"], grace_s=1)
    _show(
        f"kill_job answers {killed['status']!r}; alive now: {[pid for pid in pids.values() if _lives(pid)] or 'none'}"
    )


async def _outlive_the_server(directory: str) -> None:
    _promise("A job outlives the server, and its output and exit code are not lost")
    async with _client(directory) as client:
        started = await _call(client, "execute_command", command=_COUNT, name="count", until="line 15", wait_s=20)
        server = ProcessWrapper(_server_pid(directory))
        # Its client collects its exit status: asyncio complains if somebody else does.
        server.kill()
    _show(f"at {started['line']!r} the server, process {server.pid}, was ended with kill -9")
    async with _client(directory) as client:
        _show(f"another server, process {_server_pid(directory)}, finds:")
        for job in (await _call(client, "list_jobs"))["jobs"]:
            _show(f"    {job['job_id']} {job.get('name', ''):8} {job['status']}")
        done = await _call(client, "wait_for_job", job_id="count", wait_s=50)
        output = await _text(client, "get_job_output", job_id="count")
        lines = re.findall(r"^line (\d+)$", output, re.MULTILINE)
        whole = lines == [str(number) for number in range(1, 61)]
        _show(f"{done['status']}, exit code {done['exit_code']}; output {'complete' if whole else 'NOT COMPLETE'}")


@contextlib.asynccontextmanager
async def _client(directory: str) -> AsyncGenerator[Client[Any]]:
    pid_file = shlex.quote(str(Path(directory) / "server.pid"))
    script = f"echo $$ > {pid_file}; exec {shlex.quote(sys.executable)} -m mcp_background_job"
    environment = {**os.environ, "MCP_BG_STATE_DIR": _state_dir(directory)}
    async with Client(StdioTransport("/bin/sh", ["-c", script], env=environment)) as client:
        yield client


def _state_dir(directory: str) -> str:
    return str(Path(directory) / "state")


def _server_pid(directory: str) -> int:
    return int((Path(directory) / "server.pid").read_text())


async def _call(client: Client[Any], tool: str, **arguments: Any) -> dict[str, Any]:
    return (await client.call_tool(tool, arguments)).structured_content or {}


async def _text(client: Client[Any], tool: str, **arguments: Any) -> str:
    content = (await client.call_tool(tool, arguments)).content[0]
    return content.text if isinstance(content, TextContent) else ""


def _lives(pid: int) -> bool:
    try:
        return ProcessWrapper(pid).is_alive()
    except ProcessLookupError:
        return False


def _promise(text: str) -> None:
    sys.stdout.write(f"\n* {text}\n")
    sys.stdout.flush()


def _show(text: str) -> None:
    sys.stdout.write(f"    {text}\n")
    sys.stdout.flush()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
