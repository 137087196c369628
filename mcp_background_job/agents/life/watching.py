"""Looks at runs, and waits for their events: the runner of a run's job wakes the waiter when there is news."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import random
import time
from collections import Counter
from typing import Any

from mcp_background_job.agents.adapters.table import adapter_named
from mcp_background_job.agents.catalog import Catalog
from mcp_background_job.agents.events import journal, reader
from mcp_background_job.agents.events.journal import EventReader
from mcp_background_job.agents.events.projection import WAITING
from mcp_background_job.agents.events.reader import Known
from mcp_background_job.agents.life.results import Polled, Run
from mcp_background_job.agents.records import Checkpoint, RunRecord
from mcp_background_job.core.waiting import Kind, Until
from mcp_background_job.errors import (
    BackgroundJobError,
    JobEndedError,
    RunnerSilentError,
    StdinClosedError,
    UnknownJobError,
    UnknownRunError,
)
from mcp_background_job.executors import lanes, locks
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.waiting.wait import WaitRequest

#: The longest wait of one call for events, as in the orchestration tools.
MAX_WAIT_S = 30.0

#: The longest time that a request for a run's state waits until all output of an ended agent is read. A program that
#: floods its log takes minutes, and clients give up after one.
LOOK_S = 5.0

#: A holder of a run's lock holds it for one visit, or is suspended; after this time the written state is shown.
LOCK_PATIENCE_S = 2.0

#: Look again after this time if bytes were seen that the log's index does not list yet.
_SETTLE_S = 0.02

#: A call for events lets some of them come in first, for so long per other call for events of that run: each answer
#: costs the server some milliseconds, and is followed by the next call at once.
_GATHER_PER_FOLLOWER_S = 0.02
_LONGEST_GATHER_S = 1.0

#: A glance at a run is valid for so long even if no sign has changed: the death of a runner changes none.
_GLANCE_S = 5.0

#: The length of a log, and time stamps of the files of a job and of its run.
_Signs = tuple[int, int | None, int]


class Watcher:
    """Looks at runs."""

    def __init__(self, manager: JobManager, catalog: Catalog) -> None:
        """Takes the manager of the jobs that runs are, and the catalog of runs."""
        self._manager = manager
        self._catalog = catalog
        self._events = EventReader()
        self._attended: dict[str, asyncio.Task[None]] = {}
        self._visits: dict[str, asyncio.Task[Known]] = {}
        self._glances: dict[str, tuple[_Signs, float, Run]] = {}
        self._followers: Counter[str] = Counter()

    async def close(self) -> None:
        """Stop attending to runs."""
        for task in self._attended.values():
            task.cancel()
        await asyncio.gather(*self._attended.values(), *self._visits.values(), return_exceptions=True)

    async def look(self, record: RunRecord, *, until: float = math.inf) -> Run:
        """Return a run as it is now, or with the events read until a moment of the monotonic clock."""
        while (known := await self.visit(record)).is_behind and time.monotonic() < until:
            pass
        return Run(record, known.state, is_behind=known.is_behind)

    async def visit(self, record: RunRecord) -> Known:
        """Bring the events of a run up to date, or nearer to that; returns the state then.

        All followers of a run share one visit. A follower never joins a visit that began before it asked: that visit
        may have looked before the change that the follower knows of.
        """
        under_way = self._visits.get(record.run_id)
        if under_way is not None:
            await asyncio.wait([under_way])
        visit = self._visits.get(record.run_id)
        if visit is None:
            visit = self._visits[record.run_id] = asyncio.get_running_loop().create_task(self._visit(record))
            visit.add_done_callback(lambda _: self._visits.pop(record.run_id, None))
        return await asyncio.shield(visit)  # if one follower gives up, the others keep the visit

    async def _visit(self, record: RunRecord) -> Known:
        known = await self._read(record)
        if known.needs_sweep:
            await self._manager.places.care(record.job_id)
            known = await self._read(record)
        if known.has_ended and record.keeps_stdin and not known.state.is_over:
            await self._end_input(record)
        return known

    async def poll(self, record: RunRecord, *, after_seq: int, limit: int, wait_s: float) -> Polled:
        """Return the events behind a number; waits for some unless the run is over."""
        deadline = time.monotonic() + wait_s
        state = await lanes.look(journal.checkpoint, self._catalog.directory(record.run_id))
        if state.seq - after_seq >= limit:  # a caller with that much to read needs no newer events
            events = await self._page(record, after_seq, limit, state)
            return Polled(Run(record, state), events, events[-1]["seq"])
        self._followers[record.run_id] += 1
        try:
            await self._gather(record, deadline)
            while True:
                known = await self.visit(record)
                events = await self._page(record, after_seq, limit, known.state)
                left = deadline - time.monotonic()
                if events or known.state.is_over or left <= 0:
                    return Polled(Run(record, known.state), events, events[-1]["seq"] if events else after_seq)
                await self._news(record, known, left)
        finally:
            self._followers -= Counter([record.run_id])

    async def _gather(self, record: RunRecord, deadline: float) -> None:
        """Let events come in if others follow the run too.

        Each follower pauses for a random time: answers to all of them in one moment would hold up other calls.
        """
        others = self._followers[record.run_id] - 1
        gather_s = random.uniform(0, 2) * min(others * _GATHER_PER_FOLLOWER_S, _LONGEST_GATHER_S)  # noqa: S311
        await asyncio.sleep(max(0.0, min(gather_s, deadline - time.monotonic())))

    async def until_settled(self, record: RunRecord, deadline: float) -> Run:
        """Return a run once it is over or asks something, or as it is at a moment of the monotonic clock."""
        while True:
            known = await self.visit(record)
            left = deadline - time.monotonic()
            if known.state.is_over or known.state.status in WAITING or left <= 0:
                return Run(record, known.state, is_behind=known.is_behind)
            await self._news(record, known, left)

    async def glance(self, record: RunRecord) -> Run:
        """Return a run as it is now; a run without new signs since the last glance is not read again."""
        signs = await lanes.look(self._signs, record)
        last = self._glances.get(record.run_id)
        if last is not None and last[0] == signs and time.monotonic() - last[1] < _GLANCE_S:
            return last[2]
        known = await self.visit(record)
        run = Run(record, known.state, is_behind=known.is_behind)
        self._glances.pop(record.run_id, None)
        if not (known.is_unsettled or known.is_behind or known.state.is_over):
            self._glances[record.run_id] = signs, time.monotonic(), run
        return run

    def _signs(self, record: RunRecord) -> _Signs:
        """Return a value that changes when there may be news: a longer log, a change of the job, or an answer."""
        store = self._manager.places.store_of(record.job_id)
        try:
            checkpoint = os.stat(self._catalog.directory(record.run_id).checkpoint).st_mtime_ns
        except FileNotFoundError:
            checkpoint = 0
        return store.log_extent(record.job_id)[1], store.changed_at(record.job_id), checkpoint

    async def event(self, record: RunRecord, seq: int) -> dict[str, Any] | None:
        """Return one event, ``None`` if there is none with this number."""
        known = await self.visit(record)
        events = await self._page(record, seq - 1, 1, known.state)
        return events[0] if events else None

    def attend(self, run: Run) -> None:
        """Make sure that an agent that keeps its stdin gets its end of input, even if nobody polls."""
        record = run.record
        if not record.keeps_stdin or run.state.is_over or record.run_id in self._attended:
            return
        task = asyncio.get_running_loop().create_task(self._to_the_end(record))
        self._attended[record.run_id] = task
        task.add_done_callback(lambda _: self._attended.pop(record.run_id, None))

    async def _to_the_end(self, record: RunRecord) -> None:
        seq = 0
        with contextlib.suppress(BackgroundJobError):  # the next look reports it
            while True:
                polled = await self.poll(record, after_seq=seq, limit=1, wait_s=MAX_WAIT_S)
                if polled.run.state.is_over:
                    return
                seq = polled.run.state.seq

    async def _read(self, record: RunRecord) -> Known:
        run, adapter = self._catalog.directory(record.run_id), adapter_named(record.backend)
        places, deadline = self._manager.places, time.monotonic() + LOCK_PATIENCE_S
        while (known := await lanes.scan(reader.bring_up_to_date, places, run, record, adapter)) is None:
            if time.monotonic() >= deadline:
                return await lanes.look(reader.as_written, places, run, record)
            await asyncio.sleep(locks.RETRY_S)  # not in the thread, which others need
        return known

    async def _end_input(self, record: RunRecord) -> None:
        """Close the stdin of an agent that has reported its end: it would wait for more input."""
        with contextlib.suppress(JobEndedError, StdinClosedError, UnknownJobError, RunnerSilentError):
            await self._manager.send_input(await self._manager.find(record.job_id), b"", eof=True)

    async def _page(self, record: RunRecord, after_seq: int, limit: int, state: Checkpoint) -> list[dict[str, Any]]:
        run = self._catalog.directory(record.run_id)
        try:
            return await lanes.scan(self._events.page, run, after_seq, limit, state)
        except FileNotFoundError as error:
            raise UnknownRunError(f"Unknown run_id: {record.run_id}") from error

    async def _news(self, record: RunRecord, known: Known, wait_s: float) -> None:
        """Wait until there may be news."""
        request = WaitRequest(
            until=Until(Kind.OUTPUT),
            # An entry of the index follows its bytes within microseconds, and no event announces it.
            wait_s=min(wait_s, _SETTLE_S) if known.is_unsettled else wait_s,
            since=known.log_end,
            from_start=record.leftovers == "report",  # then the run ends with its command
        )
        with contextlib.suppress(UnknownJobError):  # the next look reports it
            await self._manager.wait(await self._manager.find(record.job_id), request)
