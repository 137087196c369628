"""Keeps tasks: creates them for calls whose work goes on, looks at their status, answers and cancels them.

Nothing is held in memory that would be missed, but the stops that are under way; a stop that dies with this process is
begun anew by whoever next looks, or serves this state directory.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel

from mcp_background_job.actions.action import Report
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.later import GoesOn, Going, Later
from mcp_background_job.core.job import ID_ALPHABET
from mcp_background_job.core.news import Reader
from mcp_background_job.core.wire import plain
from mcp_background_job.errors import (
    BackgroundJobError,
    CorruptRecordError,
    InvalidRequestError,
    StateDirError,
    UnknownBatchError,
    UnknownJobError,
    UnknownRunError,
)
from mcp_background_job.executors import lanes
from mcp_background_job.jobdir.tasks import TaskEnd, TaskRecord, TaskStore
from mcp_background_job.server.fastmcp_names import MCPError, mcp_result
from mcp_background_job.server.shown import shown_in
from mcp_background_job.server.tasks import wire
from mcp_background_job.server.tasks.promises import Promises
from mcp_background_job.server.tasks.status import TaskStatus, of_end, of_going

if TYPE_CHECKING:
    from mcp_background_job.jobs.news import JobNews
    from mcp_background_job.server.register import ActionTool

_log = logging.getLogger(__name__)

#: Of an id that is the wait's own, behind the letter; those of jobs and runs begin with another.
_WAIT_ID_LENGTH = 9

#: Whoever cancels is answered when the stop is certain, or after this time: it was asked for long before.
_ACKNOWLEDGE_S = 1.0

#: Of these nothing else will ever be known; after any other error the next look may know more.
_GONE = (UnknownJobError, UnknownRunError, UnknownBatchError, InvalidRequestError)


#: However little a job writes, it is looked at so often: what became of a runner that was killed stands in no file.
_LOOK_AGAIN_S = 5.0

#: Tasks of which is remembered how they were.
_MOST_KNOWN = 1000


@dataclass(frozen=True)
class _Known:
    """How a task was, by its signs, at a moment in monotonic seconds."""

    signs: Hashable
    at: float
    going: Going


class Keeper:
    """The tasks of a state directory."""

    def __init__(
        self, store: TaskStore, tool_named: Callable[[str], ActionTool | None], news: JobNews, *, keep_s: float
    ) -> None:
        """Takes where tasks are written down, the tools, who is told of what, and how long tasks are kept."""
        self._store = store
        self._tool_named = tool_named
        self._news = news
        self._keep_s = keep_s
        self._stops: dict[str, asyncio.Task[None]] = {}
        self._promises = Promises()
        self._known: dict[str, _Known] = {}
        news.promised = self._promises.subjects

    async def close(self) -> None:
        """Let go of the stops that are under way: what they have asked for is done without them."""
        for stop in self._stops.values():
            stop.cancel()
        await asyncio.gather(*self._stops.values(), return_exceptions=True)

    # -- make ------------------------------------------------------------------------------------------------------

    async def create(self, caller: Caller, tool: str, left: GoesOn) -> wire.Created:
        """Make a task of what a call has left behind; it is on the disk when this returns.

        Raises:
            StateDirError: it cannot be written down.
        """
        record = TaskRecord(
            task_id=left.subject or _wait_id(),
            is_wait=not left.subject,
            tool=tool,
            state=plain(left.state),
            created_at=time.time(),
            client=caller.client,
            directory=caller.directory,
            project=caller.project,
            reader=caller.reader.name,
            conversation=caller.reader.conversation,
        )
        record = replace(record, subjects=self._later(record).subjects(record.state))
        # Who goes on with work of which there is a task gets one for the wait: an id stands for one call.
        while not await lanes.write(self._store.create, record):
            record = replace(record, task_id=_wait_id(), is_wait=True)
        self._promise(record)
        told = wire.task(record, TaskStatus.WORKING, "", changed_at=record.created_at, keep_s=self._keep_s)
        return wire.Created(
            task_id=told["taskId"],
            status=told["status"],
            created_at=told["createdAt"],
            last_updated_at=told["lastUpdatedAt"],
            ttl_ms=told["ttlMs"],
        )

    # -- look ------------------------------------------------------------------------------------------------------

    async def get(self, task_id: str, *, can_ask: bool) -> dict[str, Any] | None:
        """Return the status of a task; ``None`` if there is no such task.

        Args:
            task_id: its id.
            can_ask: the client can ask a person what the work asks.
        """
        record = await self._found(task_id)
        if record is None:
            return None
        end = await lanes.look(self._store.end, task_id)
        if end is None:
            seen = await self._seen(record)
            if isinstance(seen, Going):
                self._promise(record)
                return await self._told_going(record, seen, can_ask=can_ask)
            end = await self._noted(task_id, seen)
        self._promises.drop(task_id)
        self._known.pop(task_id, None)
        return {
            **self._told(record, TaskStatus(end.status), end.message, changed_at=end.at),
            **wire.payload(end),
        }

    def _promise(self, record: TaskRecord) -> None:
        self._promises.make(record.task_id, record.subjects)

    async def _noted(self, task_id: str, end: TaskEnd) -> TaskEnd:
        try:
            return await lanes.write(self._store.note_end, task_id, end)
        except StateDirError as error:  # on a full disk the client is told all the same; the next look finds it again
            _log.warning("%s", error)
            return end

    async def _told_going(self, record: TaskRecord, going: Going, *, can_ask: bool) -> dict[str, Any]:
        task_id = record.task_id
        if await lanes.look(self._store.is_to_be_cancelled, task_id):
            self._stop(record)  # whoever began that may be gone
        told = self._told(record, of_going(going, can_ask=False), going.doing, changed_at=going.changed_at)
        if of_going(going, can_ask=can_ask and not record.is_wait) is TaskStatus.WORKING or going.question is None:
            return told
        asked = await lanes.write(self._store.ask, task_id, going.question.mark)
        if asked is None:  # a person has declined to answer
            return told
        status = TaskStatus.INPUT_REQUIRED
        return {**told, "status": status.value, **wire.input_requests(_key(asked.number), going.question)}

    def _told(
        self, record: TaskRecord, status: TaskStatus, message: str, *, changed_at: float | None
    ) -> dict[str, Any]:
        at = record.created_at if changed_at is None else changed_at
        return wire.task(record, status, message, changed_at=at, keep_s=self._keep_s)

    async def _seen(self, record: TaskRecord) -> Going | TaskEnd:
        """Look at a task, unless its signs show that it has not changed since a moment ago."""
        task_id = record.task_id
        signs = await lanes.look(self._later(record).signs, record.state)  # before the look: what changes then differs
        known = self._known.get(task_id)
        if signs is not None and known and known.signs == signs and time.monotonic() - known.at < _LOOK_AGAIN_S:
            return known.going
        seen = await self._look(record)
        if isinstance(seen, Going) and signs is not None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[task_id] = _Known(signs, time.monotonic(), seen)
        return seen

    async def _look(self, record: TaskRecord) -> Going | TaskEnd:
        tool, caller = self._tool(record), _caller_of(record)
        try:
            report = await self._later(record).look(caller, record.state)
        except _GONE as error:
            answer, status = tool.refusal(error), ""
        except BackgroundJobError as error:
            return Going(doing=f"it cannot be looked at: {error}")
        except MCPError as error:
            refused = error.error.model_dump(by_alias=True, mode="json", exclude_none=True)
            return TaskEnd(status=TaskStatus.FAILED, at=time.time(), message=error.error.message, error=refused)
        else:
            if isinstance(report, Going):
                return report
            answer, status = tool.result(report, []), _status_in(report)
            for subject in shown_in(report):
                await self._news.tell_end(caller.reader, subject)
        ended = of_end(status, is_wait=record.is_wait)
        result = mcp_result(answer) if ended is TaskStatus.COMPLETED else None
        return TaskEnd(status=ended, at=time.time(), message=status, result=result)

    # -- answer ----------------------------------------------------------------------------------------------------

    async def update(self, task_id: str, responses: Mapping[str, Any]) -> bool:
        """Answer the questions of a task; other answers are ignored. Returns whether the task exists.

        Raises:
            BackgroundJobError: the answer to what it asks cannot be given.
        """
        record = await self._found(task_id)
        if record is None:
            return False
        answer = self._later(record).answer
        asked = await lanes.look(self._store.asked, task_id)
        if answer is None or asked is None or await lanes.look(self._store.is_answered, task_id, asked):
            return True
        response = responses.get(_key(asked.number))
        if not isinstance(response, dict):
            return True
        fields = _accepted(cast("dict[str, Any]", response))
        seen = await self._look(record)
        if not isinstance(seen, Going) or seen.question is None or seen.question.mark != asked.mark:
            return True  # it asks that no longer
        if await lanes.write(self._store.note_answer, task_id, asked, declined=fields is None):
            await answer(_caller_of(record), record.state, fields)
        return True

    # -- cancel ----------------------------------------------------------------------------------------------------

    async def cancel(self, task_id: str) -> bool:
        """Have a task cancelled; the wish is on disk when this returns. Returns whether the task exists.

        Raises:
            StateDirError: it cannot be written down.
        """
        record = await self._found(task_id)
        if record is None:
            return False
        if await lanes.look(self._store.end, task_id) is not None:
            return True
        await lanes.write(self._store.wish_cancel, task_id)
        if record.is_wait:
            cancelled = TaskEnd(status=TaskStatus.CANCELLED, at=time.time(), message="the wait alone")
            await lanes.write(self._store.note_end, task_id, cancelled)
            self._promises.drop(task_id)
            return True
        await asyncio.wait([self._stop(record)], timeout=_ACKNOWLEDGE_S)
        return True

    async def go_on(self) -> None:
        """Continue the stops that died with other servers."""
        for record in await lanes.scan(self._store.to_be_stopped):
            if self._tool_named(record.tool) and not record.is_wait:
                self._stop(record)

    def _stop(self, record: TaskRecord) -> asyncio.Task[None]:
        task_id = record.task_id
        if task_id not in self._stops:
            stop = self._stops[task_id] = asyncio.get_running_loop().create_task(self._stopped(record))
            stop.add_done_callback(lambda _: self._stops.pop(task_id, None))
        return self._stops[task_id]

    async def _stopped(self, record: TaskRecord) -> None:
        stop = self._later(record).stop
        if stop is None:
            return
        try:
            await stop(_caller_of(record), record.state)
        except BackgroundJobError as error:  # how the work is, the next look tells
            _log.info("task %s was to be cancelled: %s", record.task_id, error)

    # -- which -----------------------------------------------------------------------------------------------------

    async def _found(self, task_id: str) -> TaskRecord | None:
        with contextlib.suppress(CorruptRecordError):
            record = await lanes.look(self._store.find, task_id)
            if record is not None and record.task_id == task_id and self._tool_named(record.tool):
                return record
        return None

    def _tool(self, record: TaskRecord) -> ActionTool:
        tool = self._tool_named(record.tool)
        assert tool is not None  # noqa: S101  for the type checker: of others no task is found
        return tool

    def _later(self, record: TaskRecord) -> Later:
        later = self._tool(record).action.later
        assert later is not None  # noqa: S101  for the type checker: only such tools have tasks
        return later


def _caller_of(record: TaskRecord) -> Caller:
    return Caller(
        client=record.client,
        directory=record.directory,
        project=record.project,
        reader=Reader(record.reader, record.conversation),
    )


def _status_in(report: Report) -> str:
    facts = report if isinstance(report, dict) else vars(report) if isinstance(report, BaseModel) else {}
    return str(facts.get("status") or "")


def _accepted(response: dict[str, Any]) -> dict[str, Any] | None:
    """Return what a person has filled into a form; ``None`` if that person did not want to."""
    content = response.get("content")
    return cast("dict[str, Any]", content) if response.get("action") == "accept" and isinstance(content, dict) else None


def _wait_id() -> str:
    return "w" + "".join(secrets.choice(ID_ALPHABET) for _ in range(_WAIT_ID_LENGTH))


def _key(number: int) -> str:
    return f"question-{number}"
