"""A client that knows tasks: calls that may come back as one, and the questions that it then asks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal

from fastmcp import Client
from mcp.client.extension import ClientExtension, NotificationBinding, ResultClaim
from mcp_types import CallToolResult, ElicitResult, Request, Result
from pydantic import BaseModel, ConfigDict

from tests.patience import until

EXTENSION = "io.modelcontextprotocol/tasks"
MODERN = "2026-07-28"


class Gate:
    """A pipe in which somebody waits for a line, whenever they come to read."""

    def __init__(self, path: Path) -> None:
        """Makes it, and holds both its ends: neither side has to wait until the other has opened it."""
        os.mkfifo(path)
        self.path = path
        self._held = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def open(self) -> None:
        """Let one go on."""
        os.write(self._held, b"go\n")

    def close(self) -> None:
        """Let go of the pipe."""
        os.close(self._held)


class Handle(Result):
    """A task in place of a result, as it came."""

    model_config = ConfigDict(extra="allow")
    result_type: Literal["task"] = "task"


class _Anything(Result):
    model_config = ConfigDict(extra="allow")


class _OfTask(Request[dict[str, Any], str]):
    name_param: ClassVar[str | None] = "taskId"
    method: str
    params: dict[str, Any]


class _Told(BaseModel):
    model_config = ConfigDict(extra="allow")


class _Listen(Request[dict[str, Any], str]):
    method: str
    params: dict[str, Any]


class _Knows(ClientExtension):
    identifier = EXTENSION

    def __init__(self, told: list[dict[str, Any]]) -> None:
        self._told = told

    def claims(self) -> list[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=Handle, resolve=_unresolved)]

    def notifications(self) -> list[NotificationBinding[Any]]:
        async def note(params: _Told) -> None:
            self._told.append(params.model_dump())

        return [NotificationBinding(method="notifications/tasks", params_type=_Told, handler=note)]


async def _unresolved(handle: Handle, _: Any) -> CallToolResult:
    raise AssertionError(f"{handle} was to be looked at by the test")


async def _answers(*_: Any) -> ElicitResult:
    return ElicitResult(action="decline")


class Tasking:
    """A connected client."""

    def __init__(self, client: Client[Any], told: list[dict[str, Any]]) -> None:
        self.client = client
        self._told = told

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool; returns the answer as it stands on the wire: of a task, or of the call."""
        answer = await self.client.session.call_tool(tool, arguments, allow_claimed=True)
        return answer.model_dump(by_alias=True, mode="json", exclude_none=True)

    async def start(self, tool: str, **arguments: Any) -> str:
        """Call a tool whose answer must be a task; returns its id."""
        task = await self.call(tool, **arguments)
        assert task["resultType"] == "task", task
        return task["taskId"]

    async def ask(self, method: str, task_id: str, **more: Any) -> dict[str, Any]:
        """Ask something of a task."""
        request = _OfTask(method=method, params={"taskId": task_id, **more})
        answer = await self.client.session.send_request(request, _Anything)
        return answer.model_dump(by_alias=True, mode="json", exclude_none=True, exclude={"meta"})

    async def listen(self, task_ids: list[str]) -> None:
        """Listen for tasks, until it is cancelled."""
        request = _Listen(method="subscriptions/listen", params={"notifications": {"taskIds": task_ids}})
        await self.client.session.send_request(request, _Anything)

    @asynccontextmanager
    async def listening(self, task_ids: list[str]) -> AsyncGenerator[list[dict[str, Any]]]:
        """Listen for tasks meanwhile; gives what is told, as it comes."""
        listens = asyncio.create_task(self.listen(task_ids))
        try:
            yield self._told
        finally:
            listens.cancel()
            await asyncio.wait([listens])

    async def get(self, task_id: str) -> dict[str, Any]:
        """Look at a task."""
        return await self.ask("tasks/get", task_id)

    async def become(self, task_id: str, is_so: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """Look at a task until something is so."""

        async def look() -> bool:
            return is_so(await self.get(task_id))

        await until(look, what)
        return await self.get(task_id)

    async def end(self, task_id: str) -> dict[str, Any]:
        """Look at a task until it has ended."""
        ends = ("completed", "cancelled", "failed")
        return await self.become(task_id, lambda now: now["status"] in ends, f"task {task_id} ends")


@asynccontextmanager
async def tasking(server: Any, *, asks: bool = True, knows: bool = True, mode: str = MODERN) -> AsyncGenerator[Tasking]:
    """Connect a client that can ask a person or not, and knows tasks or not."""
    handler: Callable[..., Awaitable[Any]] | None = _answers if asks else None
    told: list[dict[str, Any]] = []
    extensions = [_Knows(told)] if knows else []
    async with Client(server, mode=mode, extensions=extensions, elicitation_handler=handler) as client:
        yield Tasking(client, told)
