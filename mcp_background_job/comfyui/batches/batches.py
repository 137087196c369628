"""What can be done with batches: made, looked at, canceled, paused, resumed, and their failed prompts tried again.

A batch is worked on by its dispatcher, a background job of its own. Whoever looks at a batch sees to it that it has
one, so that a reboot or a killed dispatcher costs nothing but time.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shlex
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mcp_background_job.comfyui.prompts.cancel import Cancelled, Canceller
from mcp_background_job.comfyui.prompts.cancel_plan import Verdict
from mcp_background_job.comfyui.prompts.overrides import Combine, Overrides, as_note, expand
from mcp_background_job.comfyui.prompts.prompts import Prompt, Prompts
from mcp_background_job.comfyui.prompts.workflow import Workflow
from mcp_background_job.comfyui.wire.answers import Queue
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.comfyui.wire.progress import as_text
from mcp_background_job.core.comfyui.batch import TERMINAL, Batch, BatchStatus, Counts, status_of
from mcp_background_job.core.comfyui.submission import Stage, Submission
from mcp_background_job.core.job import Job
from mcp_background_job.core.naming import NO_PROJECT, Asker, of_no_project
from mcp_background_job.core.states import Outcome, State
from mcp_background_job.core.waiting import Kind, Until
from mcp_background_job.errors import (
    BackgroundJobError,
    InvalidRequestError,
    RegistryError,
    UnknownBatchError,
    UnknownJobError,
    UnreachableError,
)
from mcp_background_job.executors import lanes
from mcp_background_job.jobdir.records import SYSTEM
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import ROOT, StartRequest
from mcp_background_job.jobs.starting import Started
from mcp_background_job.jobs.waiting.wait import WaitRequest
from mcp_background_job.registry.batches import SqliteBatches

#: A batch with more is most likely a mistake in its lists of values.
MAX_PROMPTS = 100_000

#: One that runs and one that follows it without a pause.
MAX_QUEUED = 2

#: With more a cancel, which takes each of them out and verifies that, takes too long, and others wait too long.
_MOST_QUEUED = 100

#: Letters and digits that cannot be taken for one another.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_ID_LENGTH = 6

#: The queue of a healthy server comes in milliseconds; what a batch looks like without it is said at once.
_LOOK_S = 1.0

#: A request that submits a prompt is answered or given up within less (see ``client.READ_S``); a dispatcher that has
#: died is replaced and looks within less, too.
_SENDING_S = 8.0
_SENDING_LOOK_S = 0.01

_NOT_BEGUN = "whoever made it was interrupted before it was begun: resume begins it, cancel drops it"

#: What need not be interrupted any more.
_OVER = (Verdict.CANCELLED, Verdict.FINISHED, Verdict.FAILED, Verdict.NOT_FOUND)

#: A dispatcher whose batch was over ends within this time.
_ENDING_S = 1.0

#: Exit codes with which a dispatcher says how its batch ended (``cli.exit_codes.of_batch``); any other is a crash.
_ENDS = (0, 3, 4)

#: A dispatcher that crashed is replaced after this time: often enough to go on soon, seldom enough to be seen.
_CRASH_PAUSE_S = 15.0

#: Failures that a look at a batch shows; ``comfyui_errors`` and ``comfyui_jobs`` tell the rest.
_MAX_FAILURES = 5


@dataclass(frozen=True)
class BatchView:
    """What is known of a batch.

    Attributes:
        batch: what was asked for.
        counts: how many of its prompts are where.
        status: the one word for that.
        running: its prompts that run.
        failures: the first of its prompts that failed.
        dispatcher: the job that works on it, or worked on it last.
        trouble: why it does not get on, or why not all is known.
        detail: for what the status alone does not say.
    """

    batch: Batch
    counts: Counts
    status: BatchStatus
    running: tuple[Prompt, ...] = ()
    failures: tuple[Submission, ...] = ()
    dispatcher: Job | None = None
    trouble: str = ""
    detail: str = ""


@dataclass(frozen=True)
class CanceledBatch:
    """What became of a request to cancel a batch.

    Attributes:
        view: the batch afterwards.
        pending: how many prompts were canceled before they ran.
        running: prompts that run all the same, and end by themselves or resist.
        unknown: prompts that were sent, and may run: the server does not say.
        interrupted: what became of those that were to be interrupted.
    """

    view: BatchView
    pending: int = 0
    running: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    interrupted: tuple[Cancelled, ...] = ()

    @property
    def mode(self) -> str:
        """Whether nothing of the batch runs any more, or what runs is let come to its end."""
        return "cancel_after_current" if self.running or self.unknown else "immediate"


@dataclass(frozen=True)
class Item:
    """One prompt of a batch that is to be made, and the name of its workflow if others have another."""

    workflow: Workflow
    overrides: Overrides = field(default_factory=dict[str, object])
    name: str = ""


def items_of(workflows: Sequence[Workflow], overrides: Mapping[str, object], combine: Combine) -> list[Item]:
    """Return the prompts that workflows make, each with every combination of the overrides.

    Raises:
        WorkflowError: see ``overrides.expand``.
    """
    return [
        Item(workflow, values, workflow.name if len(workflows) > 1 else "")
        for workflow in workflows
        for values in expand(workflow.graph, overrides, combine, limit=MAX_PROMPTS)
    ]


class Batches:
    """The batches of one server."""

    def __init__(
        self, client: Client, batches: SqliteBatches, prompts: Prompts, canceller: Canceller, manager: JobManager
    ) -> None:
        """Takes what it works on."""
        self._client = client
        self._batches = batches
        self._prompts = prompts
        self._canceller = canceller
        self._manager = manager
        self._server = client.endpoint.url

    # -- make ------------------------------------------------------------------------------------------------------

    async def create(
        self,
        items: Sequence[Item],
        *,
        note: str = "",
        client: str = "",
        session_id: str | None = None,
        max_queued: int = MAX_QUEUED,
        prompt_timeout_s: float | None = None,
        may_restart: bool = False,
    ) -> BatchView:
        """Make a batch, and have it worked on.

        Raises:
            InvalidRequestError: no prompts, too many, or limits that make no sense; nothing was recorded.
            BackgroundJobError: it cannot be recorded or worked on; nothing of it will run.
        """
        if not 0 < len(items) <= MAX_PROMPTS:
            raise InvalidRequestError(f"a batch has 1 to {MAX_PROMPTS:,} prompts, not {len(items):,}")
        if not 0 < max_queued <= _MOST_QUEUED:
            raise InvalidRequestError(f"max_queued={max_queued}: 1 to {_MOST_QUEUED} prompts in ComfyUI's queue")
        if prompt_timeout_s is not None and not 0 < prompt_timeout_s < float("inf"):
            raise InvalidRequestError(f"prompt_timeout_s={prompt_timeout_s:g}: more than 0 seconds, and finite")
        now = time.time()
        batch = Batch(
            batch_id=_new_id(),
            server=self._server,
            created_at=now,
            client=client,
            note=note,
            max_queued=max_queued,
            prompt_timeout_s=prompt_timeout_s,
            may_restart=may_restart,
            # Until it is worked on: whoever is told of an error, or of nothing, submits it once more, and must not get
            # it twice.
            paused_at=now,
            trouble=_NOT_BEGUN,
        )
        await lanes.journal(self._record, batch, items, session_id)
        try:
            await self._start(batch)
            await lanes.journal(self._batches.pause, batch.batch_id, at=None)
        except BackgroundJobError:
            with contextlib.suppress(RegistryError):  # the same trouble; it stays paused
                await lanes.journal(self._batches.request_cancel, batch.batch_id, by=client, at=time.time())
            raise
        return await self.view(batch.batch_id)

    def _record(self, batch: Batch, items: Sequence[Item], session_id: str | None) -> None:
        graphs: dict[str, tuple[str, str]] = {}
        ids: dict[int, str] = {}
        prompts: list[Submission] = []
        for position, item in enumerate(items):
            workflow = item.workflow
            if id(workflow) not in ids:
                graph_id = ids[id(workflow)] = f"{batch.batch_id}/{len(ids)}"
                graphs[graph_id] = (as_text(workflow.graph), as_text(workflow.extra_data))
            prompts.append(_prompt_of(batch, item, position, ids[id(workflow)]))
        self._batches.create(batch, prompts, graphs, session_id=session_id)

    # -- look ------------------------------------------------------------------------------------------------------

    async def get(self, batch_id: str) -> Batch:
        """Return a batch of this server.

        Raises:
            UnknownBatchError: there is none.
            InvalidRequestError: it is one of another server, of which this one knows nothing: not what runs, and
                not what was taken out of its queue.
        """
        batch = await lanes.journal(self._batches.get, batch_id)
        if batch is None:
            newest = ", ".join(one.batch_id for one in await self.newest(limit=5))
            raise UnknownBatchError(
                f"there is no batch {batch_id!r}; " + (f"the newest are {newest}" if newest else "there are none yet")
            )
        if batch.server != self._server:
            raise InvalidRequestError(
                f"batch {batch_id} runs on ComfyUI at {batch.server}, and this is {self._server}: "
                "set COMFYUI_URL to that one"
            )
        return batch

    async def newest(self, *, limit: int) -> list[Batch]:
        """Return the batches of this server, newest first."""
        return await lanes.journal(self._batches.newest, self._server, limit)

    async def views(self, *, limit: int) -> list[BatchView]:
        """Return what the journal knows of the newest batches."""
        return [await self._journalled(batch) for batch in await self.newest(limit=limit)]

    async def open_views(self) -> list[BatchView]:
        """Return what the journal knows of the batches of this server that are not over."""
        batches = await lanes.journal(self._batches.open)
        return [await self._journalled(batch) for batch in batches if batch.server == self._server]

    async def view(self, batch_id: str) -> BatchView:
        """Look at a batch; one that is not over has a dispatcher afterwards."""
        batch, trouble = await self._ensured(await self.get(batch_id))
        view = await self._journalled(batch)
        dispatcher = await self._dispatcher(batch)
        view = replace(view, dispatcher=dispatcher, trouble=trouble or batch.trouble or _trouble_of(dispatcher))
        if view.counts.failed:
            failed = await lanes.journal(self._batches.failed, batch_id, limit=_MAX_FAILURES)
            view = replace(view, failures=tuple(failed))
        return await self._with_queue(view) if view.counts.running else view

    async def _journalled(self, batch: Batch) -> BatchView:
        counts = await lanes.journal(self._batches.counts, batch.batch_id)
        status = status_of(counts, cancel_requested=batch.cancel_requested, paused=batch.is_paused)
        if status in TERMINAL and batch.ended_at is None:
            await lanes.journal(self._batches.ended, batch.batch_id, at=time.time())
            batch = await lanes.journal(self._batches.get, batch.batch_id) or batch
        return BatchView(batch, counts, status)

    async def _with_queue(self, view: BatchView) -> BatchView:
        """Tell what was sent and runs from what was sent and waits."""
        sent = await lanes.journal(self._batches.at_server, view.batch.batch_id)
        try:
            queue = await self._client.queue(read_s=_LOOK_S)
        except UnreachableError as error:
            return replace(view, trouble=view.trouble or f"what of it runs is not known: {error}")
        waiting = sum(queue.position(one.prompt_id) is not None for one in sent)
        counts = replace(
            view.counts, pending=view.counts.pending + waiting, running=max(0, view.counts.running - waiting)
        )
        status = status_of(counts, cancel_requested=view.batch.cancel_requested, paused=view.batch.is_paused)
        running = [await self._running(queue, one) for one in sent if queue.is_running(one.prompt_id)]
        return replace(view, counts=counts, status=status, running=tuple(running))

    async def _running(self, queue: Queue, submission: Submission) -> Prompt:
        return await self._prompts.queued(queue, submission.prompt_id, submission)

    async def wait(self, batch_id: str, wait_s: float) -> BatchView:
        """Look at a batch when it is over, or after so many seconds."""
        deadline = time.monotonic() + wait_s
        while True:
            view = await self.view(batch_id)
            left = deadline - time.monotonic()
            dispatcher = view.dispatcher
            if view.status in TERMINAL or left <= 0 or dispatcher is None or dispatcher.state is State.EXITED:
                return view
            await self._manager.wait(dispatcher, WaitRequest(until=Until(Kind.EXIT), wait_s=left))

    # -- act -------------------------------------------------------------------------------------------------------

    async def cancel(self, batch_id: str, *, by: str, interrupt: bool = False) -> CanceledBatch:
        """Cancel a batch: what has not run never will; what runs ends by itself, or is interrupted."""
        batch = await self.get(batch_id)
        if batch.ended_at is not None:
            detail = "it was over already, and nothing was canceled"
            return CanceledBatch(replace(await self.view(batch_id), detail=detail))
        # First of all: whatever happens to this process, nothing that is not being sent now will be sent.
        pending = await lanes.journal(self._batches.request_cancel, batch_id, by=by, at=time.time())
        sent = await lanes.journal(self._batches.at_server, batch_id)
        batch, _ = await self._ensured(await self.get(batch_id))
        await self._await_sent(batch)
        running, unknown = await self._take_out(await lanes.journal(self._batches.at_server, batch_id))
        interrupted = [await self._canceller.cancel(prompt_id) for prompt_id in running] if interrupt else []
        stopped = {one.prompt_id for one in interrupted if one.verdict in _OVER}
        # By the journal, since the dispatcher takes them out as well.
        canceled = set(await lanes.journal(self._batches.canceled_among, [one.prompt_id for one in sent]))
        return CanceledBatch(
            await self.view(batch_id),
            pending=pending + len(canceled - stopped),
            running=tuple(prompt_id for prompt_id in running if prompt_id not in stopped),
            unknown=tuple(unknown),
            interrupted=tuple(interrupted),
        )

    async def _take_out(self, sent: Sequence[Submission]) -> tuple[list[str], list[str]]:
        """Take prompts out of the queue; returns those that run instead, and those of which nothing is known."""
        running: list[str] = []
        unknown: list[str] = []
        # The last one first: when the one that runs ends meanwhile, its place would be taken by one to be taken out.
        for one in reversed(sent):
            # A server that gives no answer is not asked for each of them: that takes seconds.
            taken = await self._canceller.cancel_pending(one.prompt_id) if not unknown else None
            if taken is not None and taken.verdict is Verdict.RUNNING:
                running.append(one.prompt_id)
            elif taken is None or taken.verdict not in _OVER or await self._is_under_way(one):
                unknown.append(one.prompt_id)
        return running, unknown

    async def _is_under_way(self, submission: Submission) -> bool:
        sent = await lanes.journal(self._batches.at_server, str(submission.batch_id))
        return any(one.prompt_id == submission.prompt_id and one.stage is Stage.SENDING for one in sent)

    async def _await_sent(self, batch: Batch) -> None:
        """Return when no prompt is on its way to the server: what a dispatcher has claimed before the wish counts.

        A dispatcher that is out of touch with the server says so, and sends nothing without another claim.
        """
        if not await self._is_sending(batch, _SENDING_S):
            return
        # It is suspended, or starved: its successor finds out what became of it, and that it is not sent later.
        await self._manager.kill(dispatcher_name(batch.batch_id), by=SYSTEM, why="a batch is canceled", grace_s=0)
        await self._is_sending(await self.ensure(batch), _SENDING_S)

    async def _is_sending(self, batch: Batch, patience_s: float) -> bool:
        """Tell whether a prompt is on its way to the server for all this time."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            now = await self.get(batch.batch_id)
            sent = await lanes.journal(self._batches.at_server, batch.batch_id)
            if now.trouble or all(one.stage is not Stage.SENDING for one in sent):
                return False
            await asyncio.sleep(_SENDING_LOOK_S)
        return True

    async def pause(self, batch_id: str) -> BatchView:
        """Send nothing more of a batch; what was sent runs on."""
        self._check_goes_on(await self.get(batch_id), "paused")
        await lanes.journal(self._batches.pause, batch_id, at=time.time())
        return await self.view(batch_id)

    async def resume(self, batch_id: str) -> BatchView:
        """Send again what a batch has to send."""
        batch = await self.get(batch_id)
        self._check_goes_on(batch, "resumed")
        await lanes.journal(self._batches.pause, batch_id, at=None)
        await self._start(batch)
        return await self.view(batch_id)

    def _check_goes_on(self, batch: Batch, what: str) -> None:
        if batch.ended_at is not None or batch.cancel_requested:
            how = "is over" if batch.ended_at is not None else "is being canceled"
            raise InvalidRequestError(f"batch {batch.batch_id} {how}, and cannot be {what}")

    async def retry_failed(self, batch_id: str, *, session_id: str | None = None) -> BatchView:
        """Run the prompts of a batch that failed once more, under new ids; all others stay as they are."""
        batch = await self.get(batch_id)
        if batch.cancel_requested:
            raise InvalidRequestError(
                f"batch {batch_id} was canceled, and runs nothing more: submit what you need as a new batch"
            )
        failed = await lanes.journal(self._batches.failed, batch_id)
        if not failed:
            return replace(await self.view(batch_id), detail="none of its prompts has failed")
        again = {one.prompt_id: _once_more(one) for one in failed}
        retried = await lanes.journal(self._batches.retry, batch_id, again, session_id=session_id)
        if retried:
            started = await self._start(batch)
            if started.existed and batch.ended_at is not None:
                # It has seen that the batch was over, and ends: whoever looks next (below) starts another.
                await self._manager.wait(started.job, WaitRequest(until=Until(Kind.EXIT), wait_s=_ENDING_S))
        view = await self.view(batch_id)
        when = ", once it is resumed" if view.batch.is_paused else ""
        return replace(view, detail=f"{retried} failed prompts run again{when}")

    # -- its dispatcher --------------------------------------------------------------------------------------------

    async def ensure_all(self) -> list[Job]:
        """See to it that the batches of all servers that are not over are worked on; returns their dispatchers."""
        batches = [await self.ensure(batch) for batch in await lanes.journal(self._batches.open)]
        jobs = [await self._dispatcher(batch) for batch in batches]
        return [job for job in jobs if job is not None and job.state is not State.EXITED]

    async def ensure(self, batch: Batch) -> Batch:
        """See to it that a batch that is not over is worked on; returns it as it is then.

        Whoever kills the dispatcher wants it to stop: the batch is paused by that, until somebody resumes it.
        """
        job = await self._dispatcher(batch)
        if job is None or job.state is State.EXITED:
            if job is not None and not batch.cancel_requested and await self._was_killed(job):
                if not batch.is_paused:
                    why = f"its dispatcher, job {job.job_id}, was killed; resume goes on"
                    await lanes.journal(self._batches.pause, batch.batch_id, at=time.time(), why=why)
            elif job is not None and _has_just_crashed(job):
                await lanes.journal(self._batches.note_trouble, batch.batch_id, _told_crash(job))
            else:
                await self._start(batch)
        return await lanes.journal(self._batches.get, batch.batch_id) or batch

    async def _ensured(self, batch: Batch) -> tuple[Batch, str]:
        """Return a batch that is worked on unless it is over, or why it cannot be; that keeps nobody from looking."""
        if batch.ended_at is not None:
            return batch, ""
        try:
            return await self.ensure(batch), ""
        except BackgroundJobError as error:
            return batch, f"nobody works on it: {error}"

    async def _was_killed(self, job: Job) -> bool:
        """Tell whether somebody asked for the end of a job, and not its machine that was shut down."""
        if job.outcome is not Outcome.KILLED:
            return False
        end = (await self._manager.details(job.job_id)).seen.exit
        return end is None or end.stop_requested is None or end.stop_requested.by != SYSTEM

    async def _dispatcher(self, batch: Batch) -> Job | None:
        try:
            return await self._manager.find(of_no_project(dispatcher_name(batch.batch_id)), Asker(NO_PROJECT))
        except UnknownJobError:
            return None

    async def _start(self, batch: Batch) -> Started:
        # Under a name of its own, so that of several who start it at once one does.
        return await self._manager.start(dispatcher_request(batch), client=batch.client)


def _has_just_crashed(job: Job) -> bool:
    """Tell whether a dispatcher ended by an error of its own, which it may do again and again. A signal is none."""
    crashed = job.exit_code is not None and job.exit_code not in _ENDS
    return crashed and job.ended_at is not None and time.time() - job.ended_at < _CRASH_PAUSE_S


def _told_crash(job: Job) -> str:
    return (
        f"its dispatcher, job {job.job_id}, ended with exit code {job.exit_code}, which tail_job_output explains; "
        f"another is started {_CRASH_PAUSE_S:.0f} s after that"
    )


def _trouble_of(dispatcher: Job | None) -> str:
    if dispatcher is None or dispatcher.state is not State.QUEUED:
        return ""
    return f"its dispatcher, job {dispatcher.job_id}, waits for the end of the job that it was queued behind"


def dispatcher_name(batch_id: str) -> str:
    """Return the name of the job that works on a batch."""
    return f"batch-{batch_id}"


def dispatcher_request(batch: Batch) -> StartRequest:
    """Return the job that works on a batch."""
    # -P: what lies in the working directory must not pass for a module.
    argv = [sys.executable, "-P", "-m", "mcp_background_job", "comfyui", "dispatch", batch.batch_id]
    return StartRequest(
        command=f"exec {shlex.join(argv)}",
        name=dispatcher_name(batch.batch_id),
        env={"COMFYUI_URL": batch.server},
        is_own=True,
        # Whoever looks at a batch whose dispatcher is gone starts it again, and need not have to do with it.
        parent=ROOT,
        project=NO_PROJECT,
    )


def _new_id() -> str:
    return "b" + "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))


def _prompt_of(batch: Batch, item: Item, position: int, graph_id: str) -> Submission:
    differs = ", ".join(filter(None, [item.name, as_note(item.overrides)]))
    return Submission(
        prompt_id=str(uuid.uuid4()),
        server=batch.server,
        submitted_at=batch.created_at,
        graph="",
        note=f"{batch.note}: {differs}" if batch.note and differs else batch.note or differs,
        client=batch.client,
        stage=Stage.WAITING,
        batch_id=batch.batch_id,
        position=position,
        graph_id=graph_id,
        overrides=as_text(item.overrides) if item.overrides else "",
    )


def _once_more(failed: Submission) -> Submission:
    return replace(
        failed,
        prompt_id=str(uuid.uuid4()),
        submitted_at=time.time(),
        stage=Stage.WAITING,
        number=None,
        end=None,
        ended_at=None,
        reason="",
        started_at=None,
        outputs=None,
        overdue_s=None,
    )
