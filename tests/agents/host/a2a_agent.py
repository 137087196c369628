"""A real A2A agent, written on the SDK: the first word of a message says what it does.

``python a2a_agent.py [--no-streaming] [--token T]`` prints its port.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any, cast

import uvicorn
from a2a.helpers.proto_helpers import get_data_parts, get_message_text, new_task_from_user_message
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill, Part, TaskState
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse


class ScriptedExecutor(AgentExecutor):
    """Does as it is told."""

    def __init__(self) -> None:
        self.processes: dict[str, asyncio.subprocess.Process] = {}
        self.asked = ""

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        message = context.message
        assert message
        word, _, rest = get_message_text(message).partition(" ")
        asked = context.configuration
        self.asked = f"{asked.history_length} {asked.return_immediately}" if asked else "nothing"
        if context.current_task is None and word != "plain":
            task = new_task_from_user_message(message)
            task.id, task.context_id = str(context.task_id), str(context.context_id)
            await event_queue.enqueue_event(task)
        task = TaskUpdater(event_queue, str(context.task_id), str(context.context_id))
        data = get_data_parts(message.parts)
        do = getattr(self, f"do_{word}", None) if context.current_task is None else None
        if do is None:
            await self.answer(task, f"{word} {rest}{data or ''}".strip())
        else:
            await do(task, rest)

    async def answer(self, task: TaskUpdater, text: str) -> None:
        await task.add_artifact([Part(text=f"you say {text}")], name="answer")
        await task.complete()

    async def do_echo(self, task: TaskUpdater, text: str) -> None:
        await task.start_work()
        await self.say(task, "thinking")
        await task.add_artifact([Part(text=text)], name="echo")
        await task.complete()

    async def say(self, task: TaskUpdater, text: str) -> None:
        await task.update_status(TaskState.TASK_STATE_WORKING, task.new_agent_message([Part(text=text)]))

    async def do_plain(self, task: TaskUpdater, text: str) -> None:
        await task.event_queue.enqueue_event(task.new_agent_message([Part(text=text)]))

    async def do_chunks(self, task: TaskUpdater, text: str) -> None:
        words = text.split("_")
        for number, word in enumerate(words):
            is_last = number == len(words) - 1
            await task.add_artifact([Part(text=word)], artifact_id="a", append=number > 0, last_chunk=is_last)
        await task.complete(task.new_agent_message([Part(text="all of it")]))

    async def do_history(self, task: TaskUpdater, _: str) -> None:
        await task.complete(task.new_agent_message([Part(text=self.asked)]))

    async def do_ask(self, task: TaskUpdater, text: str) -> None:
        await task.requires_input(task.new_agent_message([Part(text=text)]))

    async def do_login(self, task: TaskUpdater, text: str) -> None:
        await task.requires_auth(task.new_agent_message([Part(text=text)]))

    async def do_reject(self, task: TaskUpdater, text: str) -> None:
        await task.reject(task.new_agent_message([Part(text=text)]))

    async def do_fail(self, task: TaskUpdater, text: str) -> None:
        await task.failed(task.new_agent_message([Part(text=text)]))

    async def do_crash(self, task: TaskUpdater, text: str) -> None:
        await task.start_work()
        raise RuntimeError(text)

    async def do_run(self, task: TaskUpdater, command: str) -> None:
        await task.start_work()
        process = await asyncio.create_subprocess_shell(command, start_new_session=True)
        self.processes[task.task_id] = process
        await process.wait()
        await task.complete()

    async def do_stubborn(self, task: TaskUpdater, _: str) -> None:
        await self.say(task, "will not stop")
        await asyncio.Event().wait()

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        task = TaskUpdater(event_queue, str(context.task_id), str(context.context_id))
        process = self.processes.pop(task.task_id, None)
        if process:
            process.kill()
        elif context.current_task and context.current_task.status.state == TaskState.TASK_STATE_WORKING:
            await asyncio.Event().wait()
        await task.cancel()


def _card(port: int, flags: list[str]) -> AgentCard:
    url = f"http://127.0.0.1:{port}/"
    return AgentCard(
        name="scripted",
        description="does as it is told",
        version="1",
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        capabilities=AgentCapabilities(streaming="--no-streaming" not in flags),
        skills=[AgentSkill(id="s", name="s", description="s", tags=["t"])],
        supported_interfaces=[AgentInterface(url=url, protocol_binding="JSONRPC", protocol_version="1.0")],
    )


class _Token(BaseHTTPMiddleware):
    """Lets nobody in without the token."""

    def __init__(self, app: Any, token: str) -> None:
        super().__init__(app)
        self.token = token

    async def dispatch(self, request: Any, call_next: Any) -> Any:
        if request.headers.get("authorization") == f"Bearer {self.token}" or request.method == "GET":
            return await call_next(request)
        return PlainTextResponse("who are you?", status_code=401)


def main(flags: list[str]) -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    card = _card(port, flags)
    handler = DefaultRequestHandler(agent_executor=ScriptedExecutor(), task_store=InMemoryTaskStore(), agent_card=card)
    app = Starlette(routes=[*create_agent_card_routes(card), *create_jsonrpc_routes(handler, "/")])
    if "--token" in flags:
        app.add_middleware(cast("Any", _Token), token=flags[flags.index("--token") + 1])
    listener.listen()
    print(port, flush=True)  # noqa: T201  whoever started us reads it
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1:])
