"""A conversation with an A2A agent: a message, the stream of its task, answers, until nothing more is to be done."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import cast

import httpx
from a2a.client import ClientCallContext, ClientConfig, ClientFactory
from a2a.helpers.proto_helpers import new_data_part, new_text_part
from a2a.types import (
    AgentCard,
    CancelTaskRequest,
    GetTaskRequest,
    Message,
    Part,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
    StreamResponse,
)
from a2a.utils.errors import A2AError
from google.protobuf.json_format import MessageToDict

from mcp_background_job.agents.adapters.base import Event, ParsedEnd
from mcp_background_job.agents.adapters.reading import JsonObject
from mcp_background_job.agents.host.a2a_updates import Updates
from mcp_background_job.agents.host.endings import cancelled
from mcp_background_job.agents.host.inbox import Inbox
from mcp_background_job.agents.host.lines import Output
from mcp_background_job.agents.host.request import HostRequest
from mcp_background_job.core.run import EventType, RunStatus

#: Seconds for a request that an agent answers at once: for its card, or for the state of a task.
REQUEST_S = 30.0

#: Seconds for an agent to confirm that it cancelled a task: the request crosses the network, and the work has to stop.
CANCEL_S = 5.0

#: Seconds between two requests for the state of a task whose agent does not stream.
POLL_S = 1.0

_UNCONFIRMED = "the agent did not confirm that it stopped; it may still be at work"


class Conversation:
    """One context with one agent, and its current task."""

    def __init__(
        self, card: AgentCard, http: httpx.AsyncClient, request: HostRequest, output: Output, inbox: Inbox
    ) -> None:
        """Opens no connection yet."""
        config = request.config
        modes = config["accepted_output_modes"]
        polling = not card.capabilities.streaming
        factory = ClientFactory(ClientConfig(httpx_client=http, polling=polling, accepted_output_modes=modes))
        self._client = factory.create(card)
        self._configuration = SendMessageConfiguration(
            history_length=config.get("history_length"), return_immediately=config.get("blocking") is False
        )
        self._first = [*([new_text_part(request.prompt)] if request.prompt else []), *map(file_part, request.files)]
        self._output = output
        self._inbox = inbox
        about = {"agent_url": config["agent_url"], "agent_name": card.name}
        self._updates = Updates(about, request.resume or "")
        self._named = asyncio.Event()
        self._told_context = ""

    async def run(self) -> ParsedEnd:
        """Talk until nothing more is to be done; returns how it ended.

        Raises:
            A2AError: the agent answers with an error, or is unreachable; errors of httpx and protobuf pass through too.
        """
        message: Message | None = self._message(self._first)
        while message is not None:
            await self._take_turn(message)
            message = await self._next_message()
        is_over = self._updates.is_settled and not self._updates.question
        return self._updates.end if is_over else cancelled(acknowledged=False, error=_UNCONFIRMED)

    async def _take_turn(self, message: Message) -> None:
        self._updates.begin_turn()
        listening = asyncio.ensure_future(self._listen(message))
        await self._first_of(listening, self._inbox.cancelled)
        if not listening.done():
            await self._stop(listening)
            listening.cancel()
            await asyncio.wait({listening})
        if not listening.cancelled():
            listening.result()

    async def _next_message(self) -> Message | None:
        question = self._updates.question
        if question:
            answer = await self._inbox.ask(question)
            if answer is not None:
                return self._message(_parts(answer), task_id=self._updates.task_id)
            await self._stop()
        elif self._updates.is_settled and self._updates.end.status is RunStatus.COMPLETED:
            text = self._inbox.next_message()
            return None if text is None else self._message([new_text_part(text)])
        return None

    async def _listen(self, message: Message) -> None:
        """Send a message, and read the responses until the agent hands the turn over."""
        request = SendMessageRequest(message=message, configuration=self._configuration)
        async with aclosing(cast("AsyncGenerator[StreamResponse]", self._client.send_message(request))) as stream:
            async for response in stream:
                self._hear(MessageToDict(response))
                if self._updates.is_settled:
                    return
        # The agent does not stream, or ends its streams early. Without a task there is nothing to poll.
        while self._updates.task_id and not self._updates.is_settled:
            await asyncio.sleep(POLL_S)
            await self._look()
        if not self._updates.is_settled:
            raise ValueError("an answer without a task and without a message")

    async def _look(self) -> None:
        request = GetTaskRequest(id=self._updates.task_id)
        task = await self._client.get_task(request, context=ClientCallContext(timeout=REQUEST_S))
        self._hear({"task": MessageToDict(task)})

    async def _stop(self, listening: asyncio.Future[None] | None = None) -> None:
        """Cancel the task; the agent's confirmation is the last that is read from it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CANCEL_S):
                if listening:
                    await self._first_of(listening, self._named)
                await self._cancel_task()
                if listening:
                    await asyncio.wait({listening})

    async def _cancel_task(self) -> None:
        try:
            task = await self._client.cancel_task(CancelTaskRequest(id=self._updates.task_id))
        except A2AError as refusal:  # the task may just have ended; the stream reports that
            text = f"the agent does not cancel its task: {refusal}"
            self._output.event(Event(EventType.REASONING, {"text": text, "warning": True}))
        else:
            self._hear({"task": MessageToDict(task)})

    def _hear(self, response: JsonObject) -> None:
        told = self._updates.feed(response)
        if self._updates.context_id != self._told_context:
            self._told_context = self._updates.context_id
            self._output.session(self._told_context)
        for event in told:
            self._output.event(event)
        self._output.beat()
        if self._updates.task_id:
            self._named.set()

    def _message(self, parts: list[Part], task_id: str = "") -> Message:
        context_id = self._updates.context_id
        message_id = uuid.uuid4().hex
        return Message(message_id=message_id, role=Role.ROLE_USER, parts=parts, context_id=context_id, task_id=task_id)

    @staticmethod
    async def _first_of(listening: asyncio.Future[None], event: asyncio.Event) -> None:
        waiting = asyncio.ensure_future(event.wait())
        await asyncio.wait({listening, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()


def file_part(file: JsonObject) -> Part:
    """Return a file of the first message as a part, read from the run's directory."""
    content = Path(file["path"]).read_bytes()
    return Part(raw=content, filename=file["name"] or Path(file["path"]).name, media_type=file["mime_type"])


def _parts(answer: JsonObject) -> list[Part]:
    text, data = answer.get("text"), answer.get("data")
    return [*([new_text_part(text)] if text else []), *([new_data_part(data)] if data else [])]
