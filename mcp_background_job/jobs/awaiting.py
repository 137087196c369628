"""Waits for news for a conversation, as long as it awaits anything. Stop hooks use it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence

from mcp_background_job.core.hooks import MAX_ROUNDS, is_server
from mcp_background_job.core.news import Kind, Reader, Way, matches_of
from mcp_background_job.core.states import State
from mcp_background_job.errors import CorruptRecordError
from mcp_background_job.executors import lanes
from mcp_background_job.jobdir.layout import is_job_id, is_run_id
from mcp_background_job.jobdir.tasks import FORGOTTEN_S, TaskStore
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.news import Others

#: Under what it is remembered how often in a row a conversation was woken.
_SUBJECT, _ROUNDS = "hook stop", "rounds"

#: Ends of jobs wake this at once. So often it looks whether the client listens, and what has become a server meanwhile.
_LOOK_AGAIN_S = 5.0

#: Nobody tells of what runs ask, and of the ends of batches; to look costs some time stamps of files.
_LOOK_AT_OTHERS_S = 0.5

#: Jobs often end together, one because of the other; they are told together.
_GATHER_S = 0.1

#: The beginning of what every expression is remembered under that was found in a job's output.
_MATCH = matches_of("")[0]


class Awaiting:
    """Waits for the news that the readers of one conversation, or of one client, await."""

    def __init__(self, manager: JobManager, others: Others, tasks: TaskStore, readers: Sequence[Reader]) -> None:
        """Takes what finds news, of jobs and of others, the tasks of MCP, and at least one reader."""
        self._manager = manager
        self._news = manager.news
        self._news.others = others
        self._others = others
        self._readers = readers
        self._tasks = tasks
        self._promised: Collection[str] = ()
        self._news.promised = lambda: self._promised

    async def told(self, *, goes_on_by_hook: bool, is_wanted: Callable[[], bool], deadline: float) -> list[str]:
        """Wait for news; returns them in sentences, none if there is nothing to wait for. They count as told then.

        Args:
            goes_on_by_hook: the turn that has ended was one that this has brought about, and no person.
            is_wanted: tells whether anybody would hear the news: what nobody heard must not count as told.
            deadline: of the monotonic clock.
        """
        rounds = await self._rounds() if goes_on_by_hook else 0
        if rounds >= MAX_ROUNDS:
            return []
        while is_wanted():
            # Clients that fetch an end by a task of MCP are woken by that: with the hook's news as well they would be
            # woken twice.
            self._promised = await lanes.look(self._tasks.promised, time.time() - FORGOTTEN_S)
            if news := await self._new():
                self._news.show(self._readers[0], _SUBJECT, {_ROUNDS: rounds + 1})
                return news
            awaited = await self._awaited()
            left = deadline - time.monotonic()
            if not awaited or left <= 0:
                break
            await self._next(awaited, left)
        return []

    async def _rounds(self) -> int:
        shown = await self._news.shown(self._readers[0], [_SUBJECT])
        return shown[_SUBJECT].offsets.get(_ROUNDS, 0)

    async def _new(self) -> list[str]:
        # Told as an answer tells: it is the same model that hears of it.
        found = [await self._news.to_tell(reader, Way.ANSWER, own_only=True) for reader in self._readers]
        return [_named(sentence) for sentences in found for sentence in sentences]

    # -- what is worth waiting for ---------------------------------------------------------------------------------

    async def _awaited(self) -> set[str]:
        """Return what is awaited and may have news: no servers, tasks, or runs that wait for an answer."""
        awaited: set[str] = set()
        for reader in self._readers:
            subjects = (await self._news.awaited(reader)).difference(self._promised)
            others = {subject for subject in subjects if self._others.has(subject)}
            awaited |= others - await self._asking(others)
            jobs = [subject for subject in subjects - others if is_job_id(subject)]
            awaited |= {job_id for job_id in jobs if not await self._is_server(reader, job_id)}
        return awaited

    async def _asking(self, subjects: Collection[str]) -> set[str]:
        if not subjects:
            return set()
        found = await self._others.look(subjects)
        return {subject for subject, item in found.items.items() if item and item.kind is Kind.QUESTION}

    async def _is_server(self, reader: Reader, job_id: str) -> bool:
        try:
            spec = await lanes.look(self._manager.places.store_of(job_id).spec, job_id)
        except CorruptRecordError:
            return False  # its end is news all the same
        if spec is None or spec.name is None:
            return False
        shown = (await self._news.shown(reader, [job_id]))[job_id]
        usage = await self._manager.places.usage(job_id)
        return is_server(
            is_named=True,
            listens=usage is not None and bool(usage.ports),
            restarts=spec.attempts_file is not None,
            was_found_ready=any(what.startswith(_MATCH) for what in shown.offsets),
        )

    # -- waiting ---------------------------------------------------------------------------------------------------

    async def _next(self, awaited: Collection[str], left_s: float) -> None:
        """Wait until there may be news, at most this long."""
        jobs = [subject for subject in awaited if not self._others.has(subject)]
        patience_s = min(left_s, _LOOK_AGAIN_S if len(jobs) == len(awaited) else _LOOK_AT_OTHERS_S)
        ends = [asyncio.create_task(self._end_of(job_id)) for job_id in jobs]
        pause = asyncio.create_task(asyncio.sleep(patience_s))
        try:
            done, _ = await asyncio.wait([pause, *ends], return_when=asyncio.FIRST_COMPLETED)
            if pause not in done:
                await asyncio.sleep(min(left_s, _GATHER_S))
        finally:
            for task in (pause, *ends):
                task.cancel()
            await asyncio.gather(pause, *ends, return_exceptions=True)
        await self._manager.places.tend()  # a job whose runner has died ends when somebody sees to it

    async def _end_of(self, job_id: str) -> None:
        async with self._manager.hub.watching(job_id, output=False) as watched:
            while watched.seen is None or watched.seen.state is not State.EXITED:
                await watched.life.beyond(watched.life.count, None)


def _named(sentence: str) -> str:
    """Return a sentence about a job or run with the word for what it is."""
    first = sentence.split(" ", 1)[0]
    return f"job {sentence}" if is_job_id(first) else f"run {sentence}" if is_run_id(first) else sentence
