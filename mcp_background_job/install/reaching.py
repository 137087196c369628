"""Finds the clients that have this server, and checks whether their command lines start it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from asyncio.subprocess import DEVNULL, PIPE, Process
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.install import files
from mcp_background_job.install.clients import CLIENTS, Client, Machine

#: Seconds for a server to report itself and its tools: it takes one second to start, and ten on a busy machine.
_HANDSHAKE_S = 30.0

#: Seconds for a server to end after its input was closed.
_END_S = 5.0

_INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "mcp-background-job doctor", "version": "1"},
}

#: The most bytes of one line of a server: its list of tools is one line.
_MAX_LINE = 4 * 1024**2


@dataclass(frozen=True)
class Installed:
    """A client's file that starts this server.

    Attributes:
        client: the client's name.
        path: path of the file.
        command: the command line in it; empty if the file cannot be read.
        tools: the number of tools of the server that it starts; None if it starts none, or was not tried.
        why: why it starts none; empty if it starts one or was not tried.
        hook: whether its files have the stop hook, which wakes its model; None if it reads no hooks from files.
    """

    client: str
    path: str
    command: list[str]
    tools: int | None = None
    why: str = ""
    hook: bool | None = None


async def look(machine: Machine, project: Path) -> list[Installed]:
    """Return the installations in clients' files; each command line is tried once.

    Args:
        machine: where the clients' files are.
        project: the directory whose files for one project are read too. They may come from a repository, so a command
            line in them is only tried if one of the user's own files has it too.
    """
    own = [found for client in CLIENTS if (found := _configured(client, machine, None))]
    brought = [found for client in CLIENTS if (found := _configured(client, machine, project))]
    tried: dict[str, asyncio.Task[Installed]] = {}
    async with asyncio.TaskGroup() as group:
        for one, variables in own:
            if _key(one, variables) not in tried:
                tried[_key(one, variables)] = group.create_task(_reached(one, machine, variables))
    return [_with_result(one, tried.get(_key(one, variables))) for one, variables in own + brought]


def _key(one: Installed, variables: dict[str, str]) -> str:
    return json.dumps([one.command, variables])


def _with_result(one: Installed, tried: asyncio.Task[Installed] | None) -> Installed:
    return replace(one, tools=tried.result().tools, why=one.why or tried.result().why) if tried else one


def _configured(client: Client, machine: Machine, project: Path | None) -> tuple[Installed, dict[str, str]] | None:
    """Return how a client's file starts this server; None if it does not."""
    path = client.file(machine, project)
    if path is None:
        return None
    try:
        text = files.read(path)
        if text is None or (found := client.command_in(client.read(text))) is None:
            return None
    except (InvalidRequestError, ValueError) as error:
        return Installed(client.name, str(path), [], why=f"its file cannot be read: {error}"), {}
    command, variables = found
    return Installed(client.name, str(path), command, hook=_has_hook(client, machine, project)), variables


def _has_hook(client: Client, machine: Machine, project: Path | None) -> bool | None:
    """Tell whether a client's file of hooks has ours; None if it has no such file."""
    hook = client.hook(machine, project, [""])
    if hook is None:
        return None
    try:
        text = files.read(hook.path)
        return text is not None and hook.wish.found_in(hook.kind.read(text)) is not None
    except (InvalidRequestError, ValueError):  # its client cannot read it either
        return False


async def _reached(one: Installed, machine: Machine, variables: dict[str, str]) -> Installed:
    """Start a server as the client would, ask for its tools, and end it."""
    if not one.command:
        return one
    try:
        server = await asyncio.create_subprocess_exec(
            *one.command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={**machine.environ, **variables}, limit=_MAX_LINE
        )
    except OSError as error:
        return replace(one, why=f"it cannot be started: {error.strerror}")
    try:
        tools = await asyncio.wait_for(_tools(server), _HANDSHAKE_S)
    except TimeoutError:
        return replace(one, why=f"it did not answer within {_HANDSHAKE_S:g} s")
    except (OSError, EOFError, ValueError):
        return replace(one, why="it ended, or wrote something other than MCP")
    finally:
        await _end(server)
    return replace(one, tools=tools)


async def _tools(server: Process) -> int:
    await _asked(server, 1, "initialize", _INITIALIZE)
    _say(server, {"method": "notifications/initialized"})
    return len((await _asked(server, 2, "tools/list", {}))["tools"])


async def _asked(server: Process, number: int, method: str, params: dict[str, Any]) -> dict[str, Any]:
    """Return the result of a request.

    Raises:
        EOFError: the server ended.
        ValueError: it wrote something that is not an answer.
    """
    _say(server, {"id": number, "method": method, "params": params})
    assert server.stdout  # noqa: S101  a pipe was asked for
    while line := await server.stdout.readline():
        message = _object(json.loads(line))
        if message.get("id") == number:
            return _object(message.get("result"))
    raise EOFError


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("no object")  # noqa: TRY004  the server's fault, not the caller's
    return cast("dict[str, Any]", value)


def _say(server: Process, message: dict[str, Any]) -> None:
    assert server.stdin  # noqa: S101  a pipe was asked for
    server.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")


async def _end(server: Process) -> None:
    """End a server as clients do: close its input, and kill it if it does not exit."""
    assert server.stdin  # noqa: S101  a pipe was asked for
    server.stdin.close()
    try:
        await asyncio.wait_for(server.wait(), _END_S)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            server.kill()
        await server.wait()
