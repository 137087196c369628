"""Submits prompts: each is journalled first, under our own id, so none is lost and none is sent twice."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from mcp_background_job.comfyui.process.process import Baselines, ServerProcess
from mcp_background_job.comfyui.prompts.cancel_plan import Place
from mcp_background_job.comfyui.prompts.diagnosis import Missing, missing_of_refusal
from mcp_background_job.comfyui.prompts.graphs.workflow import Workflow
from mcp_background_job.comfyui.prompts.inputs import Inputs, is_about_a_reference
from mcp_background_job.comfyui.prompts.prompts import Located, Prompt, Prompts, graph_of, locate
from mcp_background_job.comfyui.prompts.results import cause_of_refusal, content_of_refusal
from mcp_background_job.comfyui.prompts.server_end import boot_of
from mcp_background_job.comfyui.wire.answers import Accepted, NodeError, Refused
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.comfyui.wire.events import EventStream
from mcp_background_job.comfyui.wire.progress import as_text
from mcp_background_job.comfyui.wire.trouble import Trouble
from mcp_background_job.core.comfyui.submission import Stage, Submission
from mcp_background_job.errors import InputMissingError, MissingOutputError, UnreachableError
from mcp_background_job.executors import lanes
from mcp_background_job.registry.journal_base import Journal
from mcp_background_job.registry.servers import SqliteServers

#: Seconds between two looks at an awaited prompt; a websocket reports its end at once.
_LOOK_S = 0.5

#: Seconds: a prompt that takes milliseconds is over at the first looks.
_FIRST_LOOK_S = 0.02

#: Seconds for a server that answers again to take the requests that were sent while it did not.
_LATE_S = 1.5
_LATE_LOOK_S = 0.1


#: Makes sure that a feeder sees the end of a prompt, by its id and client.
Watch: TypeAlias = Callable[[str, str], Awaitable[None]]

#: Takes a prompt that its server refuses, and why; returns why it has failed, or ``None`` if it has not.
WhenRefused: TypeAlias = Callable[[Submission, str], Awaitable[str | None]]


@dataclass(frozen=True)
class Submitted:
    """The result of a submission.

    Attributes:
        prompt_id: its id.
        prompt: the known facts after the wait; ``None`` if it was refused.
        refused: why the server refused it.
        node_errors: errors in its nodes; if it was accepted, in branches that will not run.
        number: its place in the queue.
        missing: models and nodes that the server does not have, if it was refused for that.
    """

    prompt_id: str
    prompt: Prompt | None = None
    refused: str = ""
    node_errors: tuple[NodeError, ...] = field(default=())
    number: float | None = None
    missing: Missing = field(default_factory=Missing)


class Submitter:
    """Submits prompts to one server."""

    def __init__(
        self,
        client: Client,
        journal: Journal,
        events: EventStream,
        prompts: Prompts,
        baselines: Baselines,
        *,
        inputs: Inputs,
    ) -> None:
        """Takes its parts."""
        self._inputs = inputs
        self._client = client
        self._journal = journal
        self._events = events
        self._prompts = prompts
        self._baselines = baselines
        self._servers: SqliteServers | None = None
        self._watch: Watch | None = None
        self._refused: WhenRefused | None = None

    def heed(self, servers: SqliteServers) -> None:
        """Leave submissions to the feeder while the server's queue is paused."""
        self._servers = servers

    def when_refused(self, refused: WhenRefused) -> None:
        """Have a function decide about prompts that the server refuses, before they count as failed."""
        self._refused = refused

    def watched_by(self, watch: Watch) -> None:
        """Have each prompt watched that was recorded and is not sent yet."""
        self._watch = watch

    async def submit(
        self,
        workflow: Workflow,
        *,
        note: str = "",
        client: str = "",
        front: bool = False,
        wait_s: float = 0.0,
        session_id: str | None = None,
    ) -> Submitted:
        """Put a workflow into the queue, track it in a session, and wait for its end for a while.

        Raises:
            UnreachableError: the prompt was not accepted, or it is unknown whether it was; the message says which.
            InputPendingError: it takes the output of a prompt that has not ended; nothing was submitted.
        """
        boot = await self.note_threads()  # before the time of submission is taken, see process.worker_gone
        submission = Submission(
            prompt_id=str(uuid.uuid4()),
            server=self._client.endpoint.url,
            submitted_at=time.time(),
            graph=as_text(workflow.graph),
            extra_data=as_text(workflow.extra_data),
            note=note,
            client=client,
            front=front,
            stage=Stage.SENDING,
        )
        if await self._is_left_to_feeder(submission, session_id):
            return Submitted(submission.prompt_id, await self.wait(submission.prompt_id, wait_s))
        with contextlib.suppress(InputMissingError, MissingOutputError):  # a refusal, which is journalled like others
            await self._inputs.graph_of(submission)
        await lanes.journal(self._journal.record, [submission], session_id=session_id, boot=boot)
        await self._have_watched(submission)
        answer = await self.send(submission)
        if isinstance(answer, Refused):
            missing = missing_of_refusal(answer)
            return Submitted(
                submission.prompt_id, refused=answer.message, node_errors=answer.node_errors, missing=missing
            )
        prompt = await self.wait(answer.prompt_id, wait_s)
        return Submitted(answer.prompt_id, prompt, node_errors=answer.node_errors, number=answer.number)

    async def _is_left_to_feeder(self, submission: Submission, session_id: str | None) -> bool:
        """Journal a submission as waiting if the server's queue is paused; returns whether it is."""
        servers = self._servers
        if servers is None or not (await lanes.journal(servers.get, submission.server)).is_paused:
            return False
        waiting = replace(submission, stage=Stage.WAITING)
        await lanes.journal(self._journal.record, [waiting], session_id=session_id)
        await self._have_watched(waiting)
        if submission.front:
            await lanes.journal(servers.move, submission.prompt_id, to_front=True, at=time.time())
        else:
            await lanes.journal(servers.to_be_fed, submission.prompt_id)
        return True

    async def _have_watched(self, submission: Submission) -> None:
        if self._watch is not None:
            await self._watch(submission.prompt_id, submission.client)

    async def send(self, submission: Submission) -> Accepted | Refused:
        """Send a journalled submission and journal the answer.

        Raises:
            UnreachableError: see ``submit``.
            InputPendingError: it takes the output of a prompt that has not ended; it was not sent.
        """
        try:
            answer = await self._sent(submission, await self._inputs.graph_of(submission))
            if isinstance(answer, Refused) and is_about_a_reference(answer, graph_of(submission)):
                answer = await self._sent(submission, await self._inputs.graph_of(submission, copied=True))
        except (InputMissingError, MissingOutputError) as error:
            answer = Refused(str(error), ())
        if isinstance(answer, Refused):
            await self._events.forget(submission.prompt_id)
            refusal = content_of_refusal(answer)
            reason = cause_of_refusal(answer) or "it gives no reason"
            told = reason if self._refused is None else await self._refused(submission, reason)
            if told is not None:
                await lanes.journal(self._journal.refused, submission.prompt_id, reason=told, result=refusal)
        else:
            await lanes.journal(self._journal.answered, submission.prompt_id, Stage.ACCEPTED, answer.number)
        return answer

    async def _sent(self, submission: Submission, graph: Mapping[str, Any]) -> Accepted | Refused:
        extra_data = json.loads(submission.extra_data)
        # The first submitter goes on hearing about it, under the id of its own connection.
        client_id = None if submission.is_ours else extra_data.get("client_id")
        if client_id is None:
            client_id = await self._events.client_id()
            self._events.follow(submission.prompt_id)
        try:
            return await self._client.submit(
                graph,
                prompt_id=submission.prompt_id,
                client_id=client_id,
                extra_data=extra_data,
                front=submission.front,
            )
        except UnreachableError as error:
            return await self._answer_after(submission, error)

    async def _answer_after(self, submission: Submission, error: UnreachableError) -> Accepted:
        """Find out whether a submission without an answer arrived: its id is ours, so it can be looked up."""
        prompt_id = submission.prompt_id
        surely_not = error.trouble in (Trouble.REFUSED, Trouble.UNREACHABLE, Trouble.FORBIDDEN)
        if not surely_not:
            try:
                located = await self._look_for(prompt_id, error)
            except UnreachableError as second:
                raise UnreachableError(
                    f"whether prompt {prompt_id} was accepted is unknown: {error}. Ask comfyui_job for it before "
                    "submitting again",
                    trouble=error.trouble,
                ) from second
            if located.place is not Place.ABSENT:
                item = located.queue.find(prompt_id) if located.queue else None
                return Accepted(prompt_id, item.number if item else None, ())
        await self._events.forget(prompt_id)
        # A prompt that is carried over a restart is submitted later, and a batch sends its prompts again.
        if submission.stage is Stage.SENDING and not submission.requeue and submission.batch_id is None:
            await lanes.journal(self._journal.answered, prompt_id, Stage.REFUSED, None)
        raise UnreachableError(f"nothing was submitted: {error}", trouble=error.trouble, nothing_done=True) from error

    async def _look_for(self, prompt_id: str, error: UnreachableError) -> Located:
        # A request whose answer was given up lies in the server's sockets. When the server wakes up, it may answer our
        # question first and then take the submission (seen).
        deadline = time.monotonic() + (_LATE_S if error.trouble == Trouble.SILENT else 0.0)
        while True:
            located = await locate(self._client, prompt_id)
            if located.place is not Place.ABSENT or time.monotonic() >= deadline:
                return located
            await asyncio.sleep(_LATE_LOOK_S)

    async def wait(self, prompt_id: str, wait_s: float) -> Prompt:
        """Return the known facts about a prompt at its end, or after so many seconds."""
        deadline = time.monotonic() + wait_s
        pause = _FIRST_LOOK_S
        while True:
            prompt = await self._prompts.get(prompt_id)
            left = deadline - time.monotonic()
            if prompt.status not in ("pending", "in_progress") or left <= 0:
                return prompt
            await self._events.moved(min(pause, left))
            pause = min(2 * pause, _LOOK_S)

    async def note_threads(self) -> str:
        """Record the server's threads before a submission, so that one that dies of it is missed later.

        Returns an id of the server's life, see ``server_end.boot_of``.
        """
        process = await lanes.scan(ServerProcess.find, self._client.endpoint)
        if process:
            await lanes.scan(self._baselines.take, process, self._client.endpoint.port)
        return boot_of(process, self._client.endpoint)
