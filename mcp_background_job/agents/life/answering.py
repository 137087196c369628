"""Answers an agent's question through the stdin of its job; any server can do this."""

from __future__ import annotations

import time
from dataclasses import replace

from mcp_background_job.agents.adapters.base import Adapter, Event
from mcp_background_job.agents.events import journal, reader
from mcp_background_job.agents.events.projection import WAITING, Projection
from mcp_background_job.agents.life.results import Run
from mcp_background_job.agents.records import RunRecord
from mcp_background_job.agents.requests import attachments
from mcp_background_job.agents.requests.messages import Message
from mcp_background_job.core.run import EventType, RunStatus
from mcp_background_job.errors import InvalidRequestError, JobEndedError, RunStateError, StateDirError
from mcp_background_job.executors import lanes, locks
from mcp_background_job.jobdir import lock
from mcp_background_job.jobdir.layout import RunDir
from mcp_background_job.jobs.manager import JobManager

#: Seconds that an answer waits for the process that brings the events up to date.
_LOCK_PATIENCE_S = 10.0


async def answer(manager: JobManager, run: RunDir, record: RunRecord, adapter: Adapter, said: Message) -> Run:
    """Send an answer, and record it as an event; returns the run as it is then.

    Raises:
        RunStateError: the agent asks nothing any more.
        InvalidRequestError: this agent takes no answers, or this does not answer its question.
    """
    if "live_continue" not in adapter.capabilities or not record.keeps_stdin:
        raise InvalidRequestError(f"backend does not support continue: {record.backend}")
    # The lock is held from the look to the note: if two callers answer, one does, and the other finds no open question.
    async with locks.held(lambda: lock.acquire(run.lock), patience_s=_LOCK_PATIENCE_S) as got:
        if not got:
            raise RunStateError(
                f"run {record.run_id} is being read by a process that makes no progress: try again, or end that process"
            )
        try:
            return await _answer(manager, run, record, adapter, said)
        except JobEndedError as error:
            raise RunStateError(f"run is not awaiting additional input: {error}") from error


async def _with_files(run: RunDir, seq: int, adapter: Adapter, said: Message) -> Message:
    """Store the files of an answer where the agent finds them, and name them in its text."""
    if not said.files:
        return said
    if "files" in adapter.capabilities:
        raise InvalidRequestError(f"backend {adapter.name} takes files with a task only, not with an answer")
    places = attachments.placed(run.temporary, said.files, first=seq)
    try:
        await lanes.write(attachments.keep, places, said.files)
    except OSError as error:
        raise StateDirError(f"the files of the answer cannot be kept: {error.strerror}") from error
    return replace(said, text=attachments.with_paths(said.text, places), files=())


async def _answer(manager: JobManager, run: RunDir, record: RunRecord, adapter: Adapter, said: Message) -> Run:
    state = (await lanes.scan(reader.read_on, manager.places, run, record, adapter)).state
    if state.status not in WAITING:
        raise RunStateError(f"run is not awaiting additional input: {state.status}")
    parser = adapter.parser(state.parser)
    said = await _with_files(run, state.seq, adapter, said)
    words = adapter.answer(parser, said.text, said.data)
    await manager.send_input(await manager.find(record.job_id), words)
    projection = Projection(parser, state)
    told = {"role": "user", "text": said.text, "data": said.data}
    now = time.time()
    projection.add(Event(EventType.MESSAGE_ADDED, {key: value for key, value in told.items() if value}), now)
    projection.add(Event(EventType.STATUS_CHANGED, {"status": RunStatus.RUNNING.value}), now)
    await lanes.write(journal.commit, run, state.events_bytes, projection.entries, projection.state)
    return Run(record, projection.state)
