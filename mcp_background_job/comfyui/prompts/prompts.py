"""Where a prompt is and what is known of it, from the server and the journal together."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from mcp_background_job.comfyui.process.job_life import JobLife
from mcp_background_job.comfyui.process.process import ServerProcess
from mcp_background_job.comfyui.prompts.cancel_plan import Place
from mcp_background_job.comfyui.prompts.graphs.asked import without_what_the_server_added
from mcp_background_job.comfyui.prompts.graphs.overrides import applied
from mcp_background_job.comfyui.prompts.graphs.workflow import Workflow, class_of
from mcp_background_job.comfyui.prompts.results import finished_of_result, result_of
from mcp_background_job.comfyui.prompts.witness import Witness
from mcp_background_job.comfyui.wire import progress
from mcp_background_job.comfyui.wire.answers import Finished, LogEntry, Queue, QueueItem, decode
from mcp_background_job.comfyui.wire.client import READ_S, Client
from mcp_background_job.comfyui.wire.events import EventStream
from mcp_background_job.comfyui.wire.node_outputs import NOTHING, Made
from mcp_background_job.comfyui.wire.progress import Progress
from mcp_background_job.comfyui.wire.trouble import Trouble
from mcp_background_job.core.comfyui.submission import End, Stage, Submission
from mcp_background_job.core.text import shortened
from mcp_background_job.errors import InvalidRequestError, UnreachableError
from mcp_background_job.executors import lanes
from mcp_background_job.jobdir.layout import is_job_id
from mcp_background_job.registry.journal_base import Journal

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

#: The status of a prompt that was never sent.
NOT_SENT = "not_sent"

#: The most characters of an id: on older servers a client makes up the id, but none is longer than this.
_LONGEST_ID = 300

#: The reason if a prompt ended with its server.
_WENT = "the job that ran its ComfyUI has ended"

#: The lines of the log that the server keeps; if there are fewer, the first one is from its start.
LOG_RING = 300

#: The troubles of a server that has just ended.
_GONE = (Trouble.REFUSED, Trouble.UNREACHABLE, Trouble.DROPPED)


def check_prompt_id(prompt_id: str) -> str:
    """Return the id.

    Raises:
        InvalidRequestError: it is the id of a background job, empty, or no id at all.
    """
    if len(prompt_id) > _LONGEST_ID:  # answers repeat it
        raise InvalidRequestError(
            f"{shortened(prompt_id, 40)!r} with its {len(prompt_id):,} characters is not the id of a prompt: "
            "comfyui_status lists those queued"
        )
    if prompt_id in (".", "..") or "{" in prompt_id or "}" in prompt_id:  # no path of the server can hold them
        raise InvalidRequestError(f"{prompt_id!r} is not the id of a prompt: comfyui_status lists those queued")
    if not prompt_id.strip():
        raise InvalidRequestError("prompt_id is empty: comfyui_submit returns it, comfyui_status lists those queued")
    if is_job_id(prompt_id):
        raise InvalidRequestError(
            f"{prompt_id} is the id of a background job, which get_job_status and kill_job take; "
            "prompts of ComfyUI have UUIDs, which comfyui_submit returns and comfyui_status lists"
        )
    return prompt_id


def is_uuid(prompt_id: str) -> bool:
    """Tell whether an id has the form that newer servers demand."""
    return _UUID.fullmatch(prompt_id) is not None


@dataclass(frozen=True)
class Located:
    """The place of a prompt, with the data that was read to find it."""

    place: Place
    queue: Queue | None = None
    finished: Finished | None = None


async def locate(client: Client, prompt_id: str, *, read_s: float = READ_S) -> Located:
    """Find a prompt on its server.

    Raises:
        UnreachableError: the server does not answer, or its answer cannot be used.
    """
    queue = await client.queue(read_s=read_s)
    if queue.is_running(prompt_id):
        return Located(Place.RUNNING, queue)
    if queue.position(prompt_id) is not None:
        return Located(Place.PENDING, queue)
    # The history is read after the queue: a prompt that ends in between is in the history by now.
    finished = await client.finished(prompt_id, read_s=read_s)
    return Located(Place.ENDED if finished else Place.ABSENT, queue, finished)


@dataclass(frozen=True)
class Prompt:
    """The known facts about a prompt.

    Attributes:
        prompt_id: its id.
        status: pending, in_progress, completed, failed, cancelled, lost_to_restart, not_sent or unknown.
        reason: what the status alone does not say.
        position: how many prompts run before it, while it is pending.
        finished: how it ended, if the history has it.
        progress: its progress, while it runs.
        node_class: the class of the node that runs or failed.
        nodes: how many nodes the graph has, if known.
        submission: its entry in the journal.
        submitted_at: when it was put into the queue (seconds since the epoch), if known.
        so_far: the outputs of its nodes so far, while it runs.
        server: the name of its server, if there are several.
    """

    prompt_id: str
    status: str
    reason: str = ""
    position: int | None = None
    finished: Finished | None = None
    progress: Progress | None = None
    node_class: str = ""
    nodes: int | None = None
    submission: Submission | None = None
    submitted_at: float | None = None
    so_far: Made = NOTHING
    server: str = ""


class Prompts:
    """Answers questions about prompts."""

    def __init__(self, client: Client, journal: Journal, events: EventStream) -> None:
        """Takes its parts."""
        self._client = client
        self._journal = journal
        self._events = events
        self._witness: Witness | None = None
        self._life: JobLife | None = None

    def runs_as(self, life: JobLife) -> None:
        """Takes the life of the job on another machine as which the server runs."""
        self._life = life

    def tell(self, witness: Witness) -> None:
        """Takes the witness, which notes running prompts, and knows which one ran when the server ended."""
        self._witness = witness

    async def get(self, prompt_id: str) -> Prompt:
        """Return the known facts about a prompt. If the server does not answer, its status is ``unknown``."""
        check_prompt_id(prompt_id)
        submission = await lanes.journal(self._journal.get, prompt_id)
        if submission and submission.is_waiting:  # no server need be asked: there may be thousands
            return of_journal(submission)
        try:
            located = await locate(self._client, prompt_id)
        except UnreachableError as error:
            return await self._unanswered(prompt_id, submission, error)
        if located.place is Place.ENDED and located.finished:
            await self.note_end(located.finished)
            return ended(prompt_id, located.finished, submission)
        if located.place is Place.ABSENT:
            return await self._absent(prompt_id, submission)
        assert located.queue is not None  # noqa: S101  for the type checker: it is always read
        return await self.queued(located.queue, prompt_id, submission)

    async def is_there(self, prompt_id: str) -> bool:
        """Tell whether the server has a prompt; a silent server counts as not having it."""
        try:
            return (await locate(self._client, prompt_id)).place is not Place.ABSENT
        except UnreachableError:
            return False

    async def _unanswered(self, prompt_id: str, submission: Submission | None, error: UnreachableError) -> Prompt:
        """Return a prompt whose server does not answer."""
        if submission and not submission.is_open:
            return await self._of_journal(submission)
        if submission and await self._went_with_its_job(submission):
            return await self._of_journal(replace(submission, end=End.LOST, reason=_WENT))
        at = submission.submitted_at if submission else None
        why = f"unreachable: {error}"
        if self._witness and submission and error.trouble == Trouble.REFUSED:
            why = "; ".join(filter(None, [why, await self._witness.seems_to_have_run(submission)]))
        return Prompt(prompt_id, "unknown", why, submission=submission, submitted_at=at)

    async def _went_with_its_job(self, submission: Submission) -> bool:
        """Record the end of a prompt whose server was a job on another machine that has ended; returns whether it has.

        Prompts of batches are their feeder's responsibility.
        """
        if self._life is None or submission.batch_id is not None or not await self._life.is_over():
            return False
        await lanes.journal(self._journal.ended, [submission.prompt_id], End.LOST, at=time.time(), reason=_WENT)
        return True

    async def asked(self, prompt_id: str) -> Workflow:
        """Return the workflow that was submitted under an id, whoever submitted it.

        Raises:
            InvalidRequestError: neither the journal nor the server has it.
            UnreachableError: the journal does not have it, and the server does not answer.
        """
        submission = await lanes.journal(self._journal.get, check_prompt_id(prompt_id))
        if submission and submission.graph:
            extra_data = cast("dict[str, Any]", json.loads(submission.extra_data))
            return Workflow(graph_of(submission), without_what_the_server_added(extra_data))
        item = await self._client.submitted(prompt_id)
        if item is None:
            raise InvalidRequestError(
                f"neither the journal nor ComfyUI has the workflow of prompt {prompt_id}: comfyui_jobs lists prompts"
            )
        return Workflow(item.graph, without_what_the_server_added(item.extra_data))

    async def ended_before(self, prompt_id: str) -> Prompt | None:
        """Return a prompt whose end and outputs are journalled; ``None`` if the server must be asked."""
        submission = await lanes.journal(self._journal.get, prompt_id)
        if submission is None or submission.end is None:
            return None
        prompt = await self._of_journal(submission)
        return prompt if prompt.finished else None

    async def queued(self, queue: Queue, prompt_id: str, submission: Submission | None) -> Prompt:
        """Return a prompt that runs or waits."""
        item = queue.find(prompt_id)
        position = queue.position(prompt_id)
        heard = await self.progress_of(queue, prompt_id) if position is None else None
        if self._witness and position is None and submission and submission.is_ours:
            await self._witness.began([prompt_id])
        return Prompt(
            prompt_id,
            "in_progress" if position is None else "pending",
            position=position,
            progress=heard,
            node_class=class_of(item.graph, heard.node_id) if item and heard else "",
            nodes=len(item.graph) if item else None,
            submission=submission,
            submitted_at=submitted_at(item, submission),
            so_far=self._events.made_by(prompt_id),
        )

    async def progress_of(self, queue: Queue, prompt_id: str) -> Progress | None:
        """Return the progress of the running prompt, from the websocket or from the log."""
        heard = self._events.progress_of(prompt_id)
        if heard:
            return heard
        running = next((item for item in queue.running[:1] if item.prompt_id == prompt_id), None)
        if running is None:
            return None
        if "client_id" not in running.extra_data:  # then the server reports the progress to everybody
            await self._events.overhear(prompt_id)
        try:
            return progress.of_log(await self._client.log())
        except UnreachableError:  # a server may have no log; the prompt's place is known all the same
            return None

    async def note_end(self, finished: Finished) -> None:
        """Journal how a prompt ended, and stop following it."""
        await lanes.journal(self._journal.settled, result_of(finished))
        await self._events.forget(finished.prompt_id)

    async def _absent(self, prompt_id: str, submission: Submission | None) -> Prompt:
        if submission is None:
            hint = "" if is_uuid(prompt_id) else " (ComfyUI's ids are UUIDs)"
            return Prompt(prompt_id, "unknown", f"neither the server nor the journal knows this id{hint}")
        if not submission.is_open:
            return await self._of_journal(submission)
        if submission.server != self._client.endpoint.url:
            reason = elsewhere(submission, self._client.endpoint.url)
            return Prompt(prompt_id, "unknown", reason, submission=submission, submitted_at=submission.submitted_at)
        began = await self.server_began()
        if began is not None and began > submission.submitted_at:
            reason = await self._why_it_went(submission)
            await lanes.journal(self._journal.ended, [prompt_id], End.LOST, at=began, reason=reason)
            await self._events.forget(prompt_id)
            return Prompt(prompt_id, End.LOST, reason, submission=submission, submitted_at=submission.submitted_at)
        reason = "it is neither in the queue nor in the history: somebody deleted it, or the history was cleared"
        return Prompt(prompt_id, "unknown", reason, submission=submission, submitted_at=submission.submitted_at)

    async def _why_it_went(self, submission: Submission) -> str:
        # The feeder knows more about the prompts of batches.
        if self._witness and submission.batch_id is None:
            if self._events.progress_of(submission.prompt_id):
                await self._witness.began([submission.prompt_id])
            if ran := await self._witness.why_single_went(submission):
                return ran
        return "the server was restarted after it was submitted, and a restart empties its queue"

    async def _of_journal(self, submission: Submission) -> Prompt:
        """Return a prompt that the server does not have, or no longer has."""
        content = await lanes.journal(self._journal.result, submission.prompt_id)
        return of_journal(submission, finished_of_result(content))

    async def server_began(self) -> float | None:
        """Return when the server was started (seconds since the epoch); ``None`` if that is unknown.

        Raises:
            UnreachableError: it has just ended, so what answers next is another life of it.
        """
        if self._life is not None:
            return await self._life.began()
        if not self._client.endpoint.is_local:
            return None
        # The log first: whose log is read has a process.
        try:
            entries = await self._client.log()
        except UnreachableError as error:
            if error.trouble in _GONE:
                raise
            entries = []
        process = await lanes.scan(ServerProcess.find, self._client.endpoint)
        # A restart in place keeps the process and its start time, but begins a new log.
        moments = [process.started_at if process else None, _first_moment(entries)]
        return max((moment for moment in moments if moment is not None), default=None)


def _first_moment(entries: list[LogEntry]) -> float | None:
    if not 0 < len(entries) < LOG_RING:
        return None
    try:
        return datetime.fromisoformat(entries[0].at).timestamp()
    except ValueError:
        return None


def ended(prompt_id: str, finished: Finished, submission: Submission | None) -> Prompt:
    """Return a prompt that is over, from the history; one that was stopped at its time limit has failed."""
    limit_s = submission.overdue_s if submission and finished.end is End.CANCELLED else None
    return Prompt(
        prompt_id,
        str(finished.end if limit_s is None else End.FAILED),
        "" if limit_s is None else f"stopped at its time limit of {limit_s:g} s",
        finished=finished,
        node_class=finished.failure.node_type if finished.failure else "",
        submission=submission,
        submitted_at=submission.submitted_at if submission else None,
    )


def of_journal(submission: Submission, finished: Finished | None = None) -> Prompt:
    """Return a prompt that only the journal knows."""
    prompt = Prompt(
        submission.prompt_id,
        str(submission.end) if submission.end else "unknown",
        submission.reason,
        finished=finished,
        node_class=finished.failure.node_type if finished and finished.failure else "",
        submission=submission,
        submitted_at=submission.submitted_at,
    )
    if submission.is_waiting:
        batch = f"batch {submission.batch_id} has yet to send it"
        alone = "the queue was paused here; it is sent when the queue is resumed"
        return replace(prompt, status="pending", reason=batch if submission.batch_id else alone)
    if submission.end is End.LOST and submission.batch_id is not None:
        return replace(
            prompt,
            status="pending",
            reason=f"ComfyUI's restart dropped it, and batch {submission.batch_id} sends it again",
        )
    if submission.is_unheard:
        return replace(prompt, status=NOT_SENT, reason="the request did not reach ComfyUI, and nothing was submitted")
    if submission.stage is Stage.REFUSED and submission.end is None:
        return replace(prompt, status=str(End.FAILED), reason=f"the server refused it: {submission.reason}")
    return prompt


def elsewhere(submission: Submission, server: str) -> str:
    """Return the sentence about a prompt that was submitted to another server."""
    return f"it was submitted to ComfyUI at {submission.server}, and this is {server}: set COMFYUI_URL to that one"


def submitted_at(item: QueueItem | None, submission: Submission | None) -> float | None:
    """Return when a prompt was submitted, from the server or the journal; ``None`` if unknown."""
    if item is not None and item.created_at is not None:
        return item.created_at
    return submission.submitted_at if submission else None


def graph_of(submission: Submission) -> Mapping[str, Any]:
    """Return the journalled graph, with the values of this prompt of a batch."""
    graph = cast("dict[str, Any]", decode(submission.graph)) if submission.graph else {}
    return applied(graph, json.loads(submission.overrides)) if submission.overrides else graph
