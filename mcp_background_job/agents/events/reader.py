"""Brings the events of a run up to date with the log of its job.

Every reader of a run does this first: it takes the run's lock, reads the new bytes of the log from where the checkpoint
says, and writes their events. So there is one writer at a time, and the events depend on no single process. All
functions here read and write files; call them in a thread.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from typing import Any

from mcp_background_job.agents import records
from mcp_background_job.agents.adapters.base import Adapter, Event
from mcp_background_job.agents.events import journal
from mcp_background_job.agents.events.ending import decide
from mcp_background_job.agents.events.lines import LineSplitter, Skip
from mcp_background_job.agents.events.over import Over, over_of
from mcp_background_job.agents.events.projection import Projection
from mcp_background_job.agents.events.stderr import Stderr
from mcp_background_job.agents.records import CancelIntent, Checkpoint, RunRecord
from mcp_background_job.agents.temporary import remove_tree
from mcp_background_job.core.run import EventType, RunStatus
from mcp_background_job.core.states import Outcome, State
from mcp_background_job.core.text import end_of
from mcp_background_job.errors import CorruptRecordError
from mcp_background_job.executors.places import Places
from mcp_background_job.jobdir import lock
from mcp_background_job.jobdir.layout import RunDir
from mcp_background_job.jobdir.log.format import Stream
from mcp_background_job.jobdir.log.reader import Part
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobs.lineage import labels

#: Bytes of the log between two commits: memory stays flat however far behind the events are.
_PIECE = 1024 * 1024

#: A visit ends after this time, and the next one continues. An agent may write faster than we read, and a caller must
#: not wait until the agent is silent.
_VISIT_S = 0.5

#: Characters of stderr that the end of a failed agent shows: the cause is often there, and not on stdout.
_STDERR_TAIL = 2000

#: Bytes that one character may have.
_CHARACTER = 4


@dataclass(frozen=True)
class Known:
    """The state of a run after a visit.

    Attributes:
        state: the state that its events add up to.
        log_end: the offset up to which its job's log was seen: anything beyond it is news.
        is_unsettled: the last bytes before that are not in the log's index yet, and so were not read.
        is_behind: its job has ended, and some of its output is not read yet.
        needs_sweep: its job's runner is dead, and some of the job's processes may not be.
        has_ended: the agent has reported its end, and is still there.
    """

    state: Checkpoint
    log_end: int = 0
    is_unsettled: bool = False
    is_behind: bool = False
    needs_sweep: bool = False
    has_ended: bool = False


def bring_up_to_date(places: Places, run: RunDir, record: RunRecord, adapter: Adapter) -> Known | None:
    """Write the events of what is new in the job's log; returns the state of the run after it.

    Returns ``None`` if another process is doing that.

    Raises:
        StateDirError: the events cannot be written.
    """
    known = journal.checkpoint(run)
    if known.is_over and known.is_tidy:  # final: nothing to write, and so nothing to lock
        return Known(known)
    with lock.held(run.lock) as got:
        return read_on(places, run, record, adapter) if got else None


def as_written(places: Places, run: RunDir, record: RunRecord) -> Known:
    """Return what is written already, for a caller who cannot get the lock."""
    # Another process reads. It may yet find that the run is over, and then the run must not be shown as running.
    seen = places.look([record.job_id]).get(record.job_id)
    state = journal.checkpoint(run)
    return Known(state, is_behind=not state.is_over and over_of(places, record, seen) is not None)


def read_on(places: Places, run: RunDir, record: RunRecord, adapter: Adapter) -> Known:
    """Do the same for a caller who holds the lock."""
    before = journal.checkpoint(run)
    if before.is_over:
        return Known(_tidied(places, run, record, before))
    # The job is looked at before its log is read, so all that an ended job wrote is in the log.
    seen = places.look([record.job_id]).get(record.job_id)
    writer = _Writer(places, run, record, adapter, before)
    writer.begin(seen)
    is_all = writer.read_log()
    over = over_of(places, record, seen)
    if over is not None and is_all:
        writer.finish(over)
    writer.commit()
    return Known(
        _tidied(places, run, record, writer.state) if writer.state.is_over else writer.state,
        writer.looked_to,
        is_unsettled=writer.read_to < writer.looked_to,
        is_behind=over is not None and not is_all,
        needs_sweep=seen is not None and seen.sweep,
        has_ended=writer.projection.parser.end is not None,
    )


class _Writer:
    """One visit: reads the log, and writes events."""

    def __init__(self, places: Places, run: RunDir, record: RunRecord, adapter: Adapter, before: Checkpoint) -> None:
        self.projection = Projection(adapter.parser(before.parser), before)
        self._places = places
        self._store = places.store_of(record.job_id)
        self._run = run
        self._record = record
        self._adapter = adapter
        self._splitter = LineSplitter(Skip(*before.skip) if before.skip else None)
        self.read_to = self.looked_to = before.offset
        self._written = before
        self._stderr = Stderr(before.started_at or record.created_at, **(before.stderr or {}))

    @property
    def state(self) -> Checkpoint:
        return self.projection.state

    def begin(self, seen: Observation | None) -> None:
        record = self._record
        if self.state.seq == 0:
            told = {
                "job_id": record.job_id,
                "backend": record.backend,
                "role": record.role,
                "agent_name": record.agent_name,
                "session_mode": record.session_mode,
                "cwd": record.cwd,
                "resumed_from_run_id": record.resumed_from_run_id,
            }
            data = {key: value for key, value in told.items() if value is not None}
            self.projection.add(Event(EventType.RUN_STARTED, data), record.created_at)
        started_at = _started_at(seen)
        if self.state.status is RunStatus.QUEUED and started_at is not None:
            self.projection.state = replace(self.state, started_at=started_at)
            data = {"status": RunStatus.RUNNING.value}
            self.projection.add(Event(EventType.STATUS_CHANGED, data), started_at)

    def read_log(self) -> bool:
        """Read the log for a while; returns whether it was read to its end."""
        until = time.monotonic() + _VISIT_S
        while True:
            found = self._store.read_parts(self._record.job_id, self.read_to, _PIECE, stream=None)
            if found.start > self.read_to:
                self._splitter.missing(found.start - self.read_to)
            for part in found.parts:
                self._take(part)
            if found.next >= found.end or found.next <= self.read_to:
                self.read_to, self.looked_to = max(found.next, self.read_to), found.end
                return True
            self.read_to = self.looked_to = found.next
            if time.monotonic() >= until:
                return False
            self.commit()

    def _take(self, part: Part) -> None:
        if part.stream is Stream.STDOUT:
            self.projection.take(self._splitter.feed(part))
            return
        if part.lost:  # on either stream
            self._splitter.missing(part.lost)
        for event in self._stderr.feed(part):
            self.projection.add(event, part.at)

    def finish(self, over: Over) -> None:
        self.projection.take(self._splitter.rest())
        ended_by_itself = over.facts.outcome in (Outcome.COMPLETED, Outcome.FAILED)
        self.projection.close(over.facts.exit_code if ended_by_itself else None, over.at)
        wish = _wish(self._run)
        facts = replace(
            over.facts,
            cancel=wish if wish and wish.at <= over.at else None,  # a wish that came too late has ended nothing
            parsed=self.projection.parser.end,
            exit_is_result=self._adapter.exit_is_result,
        )
        ending = decide(facts)
        told: dict[str, Any] = {
            "lost_bytes": over.lost_bytes,
            "leftover_pids": list(over.leftover_pids),
            "ended_with": labels(self._places, over.ended_with),
        }
        # This holds for exit code 0 too: only stderr may say that a login is missing.
        if ending.status is RunStatus.FAILED:
            told["stderr"] = self._last_words()
        if self._record.output_schema is not None and "structured_output" not in ending.data:
            told["structured_output"] = _object_in(ending.data.get("final_response"))
        data = {**ending.data, **{key: value for key, value in told.items() if value}}
        self.projection.end(replace(ending, data=data), max(over.at, self.state.updated_at))

    def _last_words(self) -> str:
        tail = self._store.read_log_tail(self._record.job_id, _CHARACTER * _STDERR_TAIL, Stream.STDERR).data
        return end_of(tail.decode("utf-8", "replace").strip(), _STDERR_TAIL)

    def commit(self) -> None:
        skip = self._splitter.skip
        after = replace(
            self.state,
            offset=self._splitter.resume_at(self.read_to),
            skip=[skip.count, skip.why] if skip else None,
            parser=self.projection.parser.dump(),
            stderr=self._stderr.dump(),
        )
        if after != self._written:
            journal.commit(self._run, self._written.events_bytes, self.projection.entries, after)
        self.projection.entries = []
        self.projection.state = self._written = after


def _wish(run: RunDir) -> CancelIntent | None:
    """Return the wish to cancel a run. If it is unreadable, somebody wished it all the same."""
    try:
        return records.read(CancelIntent, run.cancel)
    except CorruptRecordError:
        return CancelIntent(at=0.0, by="unknown")


def _object_in(text: object) -> Any:
    """Return the JSON that an agent with an output schema answered, ``None`` if the answer is not JSON."""
    try:
        return json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None


def _started_at(seen: Observation | None) -> float | None:
    if seen is None:
        return None
    if seen.exit is not None and seen.exit.started_at is not None:
        return seen.exit.started_at
    return seen.status.started_at if seen.status else None


def _tidied(places: Places, run: RunDir, record: RunRecord, state: Checkpoint) -> Checkpoint:
    """Remove the temporary directory of a run that is over, once no process is left that might use it."""
    if state.is_tidy:
        return state
    seen = places.look([record.job_id]).get(record.job_id)
    if seen is not None and seen.state is not State.EXITED:
        return state
    remove_tree(run.temporary)
    state = replace(state, is_tidy=True)
    journal.commit(run, state.events_bytes, [], state)
    return state
