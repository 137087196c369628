"""Tells pages of changes: one long poll for all that a page shows, since a browser opens few connections to a server.

A page says what it shows and what it has seen of each; it is answered when something is new, with that alone. Looks go
on between two polls of a page: what is slow to look at is not begun anew each time that something quick has changed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

from pydantic import Field

from mcp_background_job.actions.action import Facts
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.page.subject import Cursor, Subject
from mcp_background_job.actions.page.words import pressed
from mcp_background_job.core.wire import to_json, utf8
from mcp_background_job.errors import BackgroundJobError, InvalidRequestError

_log = logging.getLogger(__name__)

#: Proxies and hosts of apps end what is silent for a minute.
MAX_WAIT_S = 30.0

#: After a change others are let come in: one answer for a burst.
_GATHER_S = 0.02

#: What a page looks at for the first time is told together, in one answer, unless some of it takes longer than this.
_FIRST_S = 0.06

#: Between two answers to a page: more than ten a second nobody sees. Many pages share what so many would take.
_PACE_S = 0.1
_FULL_PACE = 4

#: A page that has not asked for so long is closed, or asleep.
_LINGER_S = 10.0

#: What could not be looked at is looked at again.
_AGAIN_S = 2.0

#: What one page shows, and pages of one server: no honest page comes near.
MAX_SUBJECTS = 32
_MAX_PAGES = 256


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Something that a page shows, and what of it was seen."""

    subject: str
    args: dict[str, Any] = field(default_factory=dict[str, Any])
    cursor: Any = None


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What a page shows, each thing under a key of its own."""

    page: Annotated[str, Field(min_length=1, max_length=64)]
    shown: Annotated[dict[str, Shown], Field(max_length=MAX_SUBJECTS)]
    wait_s: float = MAX_WAIT_S


class _Look:
    """The look at one thing for one page, until there is something new."""

    def __init__(self, shown: Shown, work: asyncio.Task[Facts]) -> None:
        self.shown = shown
        self.work = work


class _Page:
    """A page that is open somewhere."""

    def __init__(self) -> None:
        self.looks: dict[str, _Look] = {}
        self.kept: dict[str, _Kept] = {}
        self.told_at = 0.0
        self.asked = asyncio.Event()
        self.leaving: asyncio.TimerHandle | None = None

    def forget(self, keys: Iterable[str]) -> None:
        """Look at these no more."""
        for key in list(keys):
            if look := self.looks.pop(key, None):
                look.work.cancel()

    def let_go(self, names: Iterable[str]) -> None:
        """Keep these no more."""
        for name in list(names):
            self.kept.pop(name).close()


class _Kept:
    """What is kept while a page shows something. It is entered and left in one task, as some contexts demand."""

    def __init__(self, subject: Subject[Any], caller: Caller, request: Any) -> None:
        self._over = asyncio.Event()
        self.entered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.task = asyncio.get_running_loop().create_task(self._hold(subject, caller, request))

    async def _hold(self, subject: Subject[Any], caller: Caller, request: Any) -> None:
        try:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(subject.keep(caller, request))
                self.entered.set_result(None)
                await self._over.wait()
        except Exception as error:  # noqa: BLE001  whatever it is, it is for who looks
            if self.entered.done():
                _log.warning("what is kept while pages show %s has failed: %s", subject.name, error)
            else:
                self.entered.set_exception(error)

    def close(self) -> None:
        self._over.set()
        if not self.entered.done():
            self.task.cancel()
            self.entered.cancel()


class Watching:
    """All open pages."""

    def __init__(self, subjects: Iterable[Subject[Any]], clock: Callable[[], float] = time.monotonic) -> None:
        """Takes what can be watched, and what tells the time (seconds)."""
        self._subjects = {subject.name: subject for subject in subjects}
        self._clock = clock
        self._pages: dict[str, _Page] = {}

    async def watch(self, caller: Caller, request: Watch) -> Facts:
        """Tell what has changed of what a page shows, as soon as something has."""
        page = self._page(request.page)
        page.asked.set()  # the poll before, whose answer this page does not wait for any more, ends
        page.asked = asked = asyncio.Event()
        self._begin(caller, page, request.shown)
        deadline = self._clock() + min(max(0.0, request.wait_s), MAX_WAIT_S)
        try:
            done = await self._first(page, asked, deadline)
            if asked.is_set():  # the next poll is told instead
                return {"changed": {}}
            page.told_at = self._clock()
            return {"changed": {key: page.looks.pop(key).work.result() for key in done if key in page.looks}}
        finally:
            if page.asked is asked:
                page.leaving = asyncio.get_running_loop().call_later(_LINGER_S, self._leave, request.page)

    async def close(self) -> None:
        """Answer all pages, and look no more."""
        for name, page in list(self._pages.items()):
            page.asked.set()
            self._leave(name)

    def _page(self, name: str) -> _Page:
        page = self._pages.get(name)
        if page is None:
            if len(self._pages) >= _MAX_PAGES:
                raise InvalidRequestError(f"{_MAX_PAGES} pages is the limit: close some")
            page = self._pages[name] = _Page()
        if page.leaving:
            page.leaving.cancel()
            page.leaving = None
        return page

    def _leave(self, name: str) -> None:
        page = self._pages.pop(name, None)
        if page is None:  # it was closed
            return
        if page.leaving:
            page.leaving.cancel()
        page.forget(page.looks)
        page.let_go(page.kept)

    def _begin(self, caller: Caller, page: _Page, shown: Mapping[str, Shown]) -> None:
        page.forget(key for key, look in page.looks.items() if shown.get(key) != look.shown)
        kept = {_name(one) for one in shown.values()}
        page.let_go(name for name in page.kept if name not in kept)
        for key, one in shown.items():
            if key not in page.looks:
                page.looks[key] = _Look(one, asyncio.create_task(self._told(caller, page, one)))

    async def _first(self, page: _Page, asked: asyncio.Event, deadline: float) -> list[str]:
        """Return the keys of what is new, when something is or the time is over."""
        ending = asyncio.create_task(asked.wait())
        try:
            works = [look.work for look in page.looks.values()]
            left = max(0.0, deadline - self._clock())
            await asyncio.wait([*works, ending], timeout=left, return_when=asyncio.FIRST_COMPLETED)
            await self._gather(page, ending)
        finally:
            ending.cancel()
        return [key for key, look in page.looks.items() if look.work.done()]

    async def _gather(self, page: _Page, ending: asyncio.Task[Any]) -> None:
        """Let more come in beside what is new."""
        if not any(look.work.done() for look in page.looks.values()):
            return
        first = [look.work for look in page.looks.values() if look.shown.cursor is None]
        if any(work.done() for work in first):
            # Whoever opens a page looks at nothing until then: what it shows first waits for no turn.
            whole = asyncio.create_task(asyncio.wait(first))
            await asyncio.wait([whole, ending], timeout=_FIRST_S, return_when=asyncio.FIRST_COMPLETED)
            whole.cancel()
            return
        pace = _PACE_S * max(1.0, len(self._pages) / _FULL_PACE)
        await asyncio.wait([ending], timeout=max(_GATHER_S, page.told_at + pace - self._clock()))

    async def _told(self, caller: Caller, page: _Page, shown: Shown) -> Facts:
        """Return what is new of something, once there is."""
        failed: str | None = None
        cursor: Cursor = shown.cursor
        if isinstance(cursor, dict) and "failed" in cursor:
            failed, cursor = cast("dict[str, Any]", cursor)["failed"], None
        while True:
            try:
                return await self._seen(caller, page, shown, cursor)
            except BackgroundJobError as error:
                said = pressed(utf8(str(error)))
                if said != failed:
                    return {"cursor": {"failed": said}, "error": said, "code": error.code}
            await asyncio.sleep(_AGAIN_S)

    async def _seen(self, caller: Caller, page: _Page, shown: Shown, cursor: Cursor) -> Facts:
        subject = self._subjects.get(shown.subject)
        if subject is None:
            raise InvalidRequestError(f"there is nothing called {shown.subject!r} to watch")
        request = subject.asked.of(shown.args)
        if shown.cursor is not None:  # what is shown first need not wait for what makes the waits after it cheap
            await self._keep(caller, page, shown, subject, request)
        while True:
            seen = await subject.look(caller, request, cursor)
            if seen is not None:
                return {"cursor": seen.cursor, "facts": seen.facts}
            await subject.wait(caller, request, cursor)

    async def _keep(self, caller: Caller, page: _Page, shown: Shown, subject: Subject[Any], request: Any) -> None:
        name = _name(shown)
        if name not in page.kept:
            page.kept[name] = _Kept(subject, caller, request)
        kept = page.kept[name]
        try:
            await asyncio.shield(kept.entered)
        except Exception:
            if page.kept.get(name) is kept:
                del page.kept[name]
            raise


def _name(shown: Shown) -> str:
    return to_json([shown.subject, shown.args])
