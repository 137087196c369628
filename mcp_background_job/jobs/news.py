"""Tells each reader, once, what is new of the jobs that it started.

There is no process whose task that would be: whoever is to be told looks. So a look is cheap. A job that has not ended
has a mark, and all marks are one listing, which is made again only if a mark was made or removed since. Most calls find
nothing new, and to learn that from the store takes a change of threads, which is most of what a short call costs. So
whoever looks at a job's files anyway glances at the time stamps of marks and store: while they stay, nothing is new.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import field, replace
from typing import Protocol, TypeVar

from mcp_background_job.core.job import how_it_ended
from mcp_background_job.core.news import END, Item, Kind, Reader, Shown, Way, sentence
from mcp_background_job.core.states import State
from mcp_background_job.core.values import frozen
from mcp_background_job.errors import CorruptRecordError, RegistryError
from mcp_background_job.executors import lanes
from mcp_background_job.executors.places import Places
from mcp_background_job.jobdir.layout import is_job_id
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobs.indexing.passes import settled
from mcp_background_job.jobs.indexing.view import job_of, observed, unrecorded
from mcp_background_job.processes.client import goes_on
from mcp_background_job.registry.news_base import News

Result = TypeVar("Result")

#: Sentences in one answer; more are summed up.
_MAX_TOLD = 5

#: A glance is for the answer that is being made. What ends after it is told with the next one.
_GLANCE_S = 0.05

#: Tells the true end of a job from the one that was told first.
_CORRECTED = "corrected"

#: Time stamps of the marks and of the store.
_Signs = tuple[int, int]


@frozen
class Found:
    """What a look at subjects that are not jobs has found.

    Attributes:
        items: of each that was looked at, what is new, whoever was told: its end, or the question that stands.
        gone: those that there are no more.
    """

    items: Mapping[str, Item | None] = field(default_factory=dict[str, Item | None])
    gone: Collection[str] = ()


class Others(Protocol):
    """Subjects of news that are not jobs: runs and batches, of which nothing here knows anything."""

    def has(self, subject: str) -> bool:
        """Tell whether a subject is one of these."""
        ...

    async def look(self, subjects: Collection[str]) -> Found:
        """Look at some of them."""
        ...


class Several:
    """Several kinds of such subjects as one."""

    def __init__(self, *kinds: Others) -> None:
        """Takes the kinds, of which no two have a subject in common."""
        self._kinds = kinds

    def has(self, subject: str) -> bool:
        """Tell whether a subject is one of any."""
        return any(kind.has(subject) for kind in self._kinds)

    async def look(self, subjects: Collection[str]) -> Found:
        """Look at some, each kind at its own."""
        items: dict[str, Item | None] = {}
        gone: set[str] = set()
        for kind in self._kinds:
            if own := [subject for subject in subjects if kind.has(subject)]:
                found = await kind.look(own)
                items |= found.items
                gone |= set(found.gone)
        return Found(items, gone)


class JobNews:
    """News of jobs, for all readers of this state directory. The store is used in a thread of its own.

    Attributes:
        others: whose news are told with those of jobs, if there are such.
        promised: returns the subjects whose ends somebody else is about to tell: no answer has them at its top.
    """

    def __init__(self, places: Places, open_store: Callable[[], News]) -> None:
        """Opens nothing yet; ``open_store`` is called in the thread."""
        self._places = places
        self._open_store = open_store
        self._store: News | None = None
        self._marked: set[str] = set()
        self._stamp = -1
        self._glance: tuple[float, _Signs | None] = (0.0, None)
        self._nothing_new: dict[tuple[Reader, Way], _Signs] = {}
        self._unwritten: deque[Callable[[News], object]] = deque()
        self._questions: dict[tuple[str, str], str] = {}
        self._corrected: dict[str, set[str]] = {}
        self._is_closed = False
        self.others: Others | None = None
        self.promised: Callable[[], Collection[str]] = tuple
        self._thread = lanes.OwnThread("news")

    def expect(self, reader: Reader, job_ids: Collection[str]) -> None:
        """Remember that the ends of these jobs are news for this reader; whatever is asked next comes after it."""
        now = time.time()
        self._write_later(lambda news: news.expect(reader, job_ids, at=now))

    async def to_tell(
        self, reader: Reader, way: Way, *, shown: Collection[str] = (), own_only: bool = False
    ) -> list[str]:
        """Return in sentences what is new for a reader and this way has not told; now it has told it.

        What is new of jobs that are ``shown`` anyhow is told with that, and left out. With ``own_only`` what belongs
        to no conversation, or to one that is over, is left for another time.
        """
        if self._is_quiet(reader, way):
            return []
        found = await self._look_at_others(reader)
        spared = self.promised() if way is Way.ANSWER else ()
        items = await self._call(lambda news: self._take(news, reader, way, found, spared, own_only=own_only))
        told = [sentence(item) for item in items if item.subject not in shown]
        more = len(told) - _MAX_TOLD
        return [f"{more} more jobs ended (list_jobs)", *told[-_MAX_TOLD:]] if more > 0 else told

    async def tell_end(self, reader: Reader, subject: str) -> None:
        """Note that a reader was told how something ended, with the answer to the call that had started it."""
        others = self.others
        found = await others.look([subject]) if others is not None and others.has(subject) else Found()
        await self._call(lambda news: self._tell_end(news, reader, subject, found))

    def _tell_end(self, news: News, reader: Reader, subject: str, found: Found) -> None:
        # First it is news, for the other ways by which the reader is told.
        awaited = {known: part for known, part in news.awaited(reader).items() if known == subject}
        self._note_others(news, reader, awaited, found)
        if is_job_id(subject):
            # Its runner may be yet to take the mark away by which it is known as live.
            self._add_ends(news, reader, awaited, self._places.look(list(awaited)))
        news.tell(reader, subject, Way.ANSWER)

    async def _look_at_others(self, reader: Reader) -> Found:
        others = self.others
        if others is None:
            return Found()
        awaited = [subject for subject in await self._call(lambda news: news.awaited(reader)) if others.has(subject)]
        return await others.look(awaited) if awaited else Found()

    async def awaited(self, reader: Reader) -> set[str]:
        """Return what a reader's own conversation awaits news of."""
        awaited = await self._call(lambda news: news.awaited(reader))
        return {subject for subject, conversation in awaited.items() if conversation == reader.conversation}

    async def shown(self, reader: Reader, job_ids: Collection[str]) -> dict[str, Shown]:
        """Return what a reader was shown of each of these jobs."""
        return await self._call(lambda news: {job_id: Shown(news.shown(reader, job_id)) for job_id in job_ids})

    def show(self, reader: Reader, job_id: str, offsets: Mapping[str, int]) -> None:
        """Remember what a reader is shown of a job (``core.news.Shown``); whatever is asked next comes after it."""
        now = time.time()
        if offsets:
            self._write_later(lambda news: news.show(reader, job_id, offsets, at=now))

    def glance(self) -> None:
        """Note whether anything may be new. It blocks, for two looks at time stamps."""
        self._glance = time.monotonic(), self._signs()

    def _is_quiet(self, reader: Reader, way: Way) -> bool:
        (at, signs), self._glance = self._glance, (0.0, None)  # one glance is for one answer
        is_fresh = signs is not None and time.monotonic() - at < _GLANCE_S
        # What is yet to be written has not changed a time stamp, and has withdrawn nothing.
        return is_fresh and not self._unwritten and self._nothing_new.get((reader, way)) == signs

    def _signs(self) -> _Signs | None:
        """Return the time stamps, ``None`` if something may yet change without changing them."""
        if self._store is None:
            return None
        signs = settled(self._places.marks_changed_at()), settled(self._store.changed_at())
        return None if -1 in signs else signs

    async def forget(self, before: float) -> None:
        """Forget what happened before a moment (seconds since the epoch)."""
        await self._call(lambda news: news.forget(before))

    def close(self) -> None:
        """Let go of the store; does nothing the second time."""
        if not self._is_closed:
            self._is_closed = True
            self._thread.close(self._close_store)

    def _close_store(self) -> None:
        if self._store:
            self._store.close()

    def _write_later(self, write: Callable[[News], object]) -> None:
        self._unwritten.append(write)  # the thread takes it out: neither can disturb the other
        self._thread.call_later(self._write_next)

    def _write_next(self) -> None:
        try:
            self._called(self._unwritten[0])
        finally:
            self._unwritten.popleft()

    async def _call(self, function: Callable[[News], Result]) -> Result:
        return await self._thread.call(lambda: self._called(function))

    def _called(self, function: Callable[[News], Result]) -> Result:
        self._nothing_new.clear()  # until somebody has looked after this
        try:
            self._store = self._store or self._open_store()
            return function(self._store)
        except RegistryError as error:
            import logging  # noqa: PLC0415  seldom needed

            from mcp_background_job.registry.news_memory import MemoryNews  # noqa: PLC0415

            logging.getLogger(__name__).warning("%s; going on with one in memory", error)
            self._store = MemoryNews()
            return function(self._store)

    def _take(
        self, news: News, reader: Reader, way: Way, found: Found, spared: Collection[str], *, own_only: bool
    ) -> list[Item]:
        signs = self._signs()  # first: what comes while we look is not passed over
        awaited = news.awaited(reader)
        others = {subject for subject in awaited if self.others is not None and self.others.has(subject)}
        self._note_others(news, reader, awaited, found)
        self._note_corrections(news, reader)
        # What others are doing, no time stamp here tells.
        all_go_on = self._note_ends(news, reader, awaited, others) and not others
        conversations = news.conversations(reader, way)
        if all_go_on and not conversations:
            if signs:
                self._nothing_new[reader, way] = signs
            return []
        # What a conversation started that is over itself is told to the next one of the same client.
        orphaned = {part for part in conversations if part and not goes_on(part)}
        parts = {reader.conversation} if own_only else {reader.conversation, "", *orphaned}
        told = news.take(reader, way, parts, spared=spared)
        if way is Way.ANSWER:
            for item in told:
                if item.kind is Kind.ENDED:
                    news.show(reader, item.subject, {END: 0}, at=time.time())
        return [item for item in told if item.kind is not Kind.QUESTION or _still_stands(item, found)]

    def _note_others(self, news: News, reader: Reader, awaited: Mapping[str, str], found: Found) -> None:
        """Make news of what others have to tell; a question that stands is written down once."""
        told = [
            item for item in found.items.values() if item and item.subject in awaited and self._is_new(reader, item)
        ]
        if told:
            conversations = [replace(item, conversation=awaited[item.subject]) for item in told]
            news.add(reader, sorted(conversations, key=lambda item: item.at or 0.0), at=time.time())
        if found.gone:
            news.drop(reader, found.gone)

    def _is_new(self, reader: Reader, item: Item) -> bool:
        place = reader.name, item.subject
        if item.kind is not Kind.QUESTION:
            self._questions.pop(place, None)
            return True
        before, self._questions[place] = self._questions.get(place), item.key
        return before != item.key

    def _note_ends(self, news: News, reader: Reader, awaited: Mapping[str, str], others: Collection[str]) -> bool:
        """Make news of what has ended; returns whether all jobs that the reader awaits go on."""
        jobs = {subject for subject in awaited if subject not in others and is_job_id(subject)}
        if not jobs or not (over := jobs - self._live()):
            return True
        seen = self._places.look(over)
        if gone := over - seen.keys():  # removed, and with it whatever there was to tell
            news.drop(reader, gone)
        self._add_ends(news, reader, awaited, seen)
        return False

    def _add_ends(
        self, news: News, reader: Reader, awaited: Mapping[str, str], seen: Mapping[str, Observation]
    ) -> None:
        ends = [self._end_of(job_id, now, awaited[job_id]) for job_id, now in seen.items() if now.state is State.EXITED]
        if ends:
            news.add(reader, sorted(ends, key=lambda item: item.at or 0.0), at=time.time())

    def _note_corrections(self, news: News, reader: Reader) -> None:
        """Tell anew how jobs ended that had been taken for over, on clusters, and whose runners have told since."""
        known = self._corrected.setdefault(reader.name, set())
        new = self._places.corrected() - known
        for job_id, seen in self._places.look(new).items():
            known.add(job_id)
            told = news.ends(reader, job_id)  # of nobody else's job, and of none whose end is yet to be told
            if told and told[-1].text != (end := self._end_of(job_id, seen, told[-1].conversation)).text:
                news.add(reader, [replace(end, key=_CORRECTED)], at=time.time())

    def _live(self) -> set[str]:
        stamp = self._places.marks_changed_at()
        if stamp != self._stamp:
            self._marked = set(self._places.open_jobs())
            self._stamp = settled(stamp)
        return self._marked

    def _end_of(self, job_id: str, seen: Observation, conversation: str) -> Item:
        try:
            spec = self._places.store_of(job_id).spec(job_id)
        except CorruptRecordError as error:
            job = observed(unrecorded(job_id, str(error)), seen)
        else:
            job = observed(job_of(spec) if spec else unrecorded(job_id, "its spec.json is gone"), seen)
        return Item(subject=job_id, kind=Kind.ENDED, at=job.ended_at, text=how_it_ended(job), conversation=conversation)


def _still_stands(question: Item, found: Found) -> bool:
    """Tell whether a question was not answered before its reader was told of it; also where nobody could look."""
    now = found.items.get(question.subject, question)
    return now is not None and (now.kind, now.key) == (question.kind, question.key)
