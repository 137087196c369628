"""The list of runs, live: the subject ``runs``."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from mcp_background_job.actions.action import Facts
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.house import House
from mcp_background_job.actions.meant import Word
from mcp_background_job.actions.page.jobs.digest import digest
from mcp_background_job.actions.page.subject import Cursor, Seen, Subject
from mcp_background_job.core.run import RunStatus
from mcp_background_job.core.text import one_line
from mcp_background_job.core.tree import as_tree
from mcp_background_job.executors import lanes

if TYPE_CHECKING:
    from mcp_background_job.agents.life.results import Listed, Run
    from mcp_background_job.agents.runs import RunManager

#: The most rows of one list.
_MAX_ROWS = 500

#: Seconds between two looks at the runs that go on, while a page shows the list; at a time stamp that new runs change,
#: which costs nothing; and at everything: two changes may fall into one tick of the clock.
_EVERY_S = 1.0
_GLANCE_S = 0.2
_ANEW_S = 10.0

#: Seconds after which a list that nobody asks for is forgotten.
_FORGET_S = 60.0

#: Characters of a task, and of a remark on a run.
_PROMPT = 200
_SAID = 300

_ASKS = frozenset({RunStatus.INPUT_REQUIRED, RunStatus.AUTH_REQUIRED})


@dataclass(frozen=True, kw_only=True)
class Runs:
    """The newest runs.

    Attributes:
        status: runs with this status.
        all_projects: whether runs of other projects than the page's are listed too.
        limit: the number of rows.
    """

    status: Word | None = None
    all_projects: bool = False
    limit: Annotated[int, Field(ge=1, le=_MAX_ROWS)] = 50


class _List:
    """One list, shared by all pages that show it."""

    def __init__(self, house: House, request: Runs, project: str) -> None:
        self._house = house
        self._request = request
        self._project = None if request.all_projects else project
        self._turn = asyncio.Lock()
        self._stamp: object = None
        self._listed: Listed | None = None
        self._looked_at = self._anew_at = float("-inf")
        self.asked_at = time.monotonic()
        self.facts: Facts = {}
        self.cursor = ""

    async def refresh(self) -> None:
        """Look, unless the last look is recent."""
        async with self._turn:
            stamp = await lanes.look(self._house.manager.places.marks_changed_at)
            if stamp == self._stamp and time.monotonic() - self._looked_at < _EVERY_S:
                return
            self._listed = await self._look(await self._house.runs(), is_new=stamp != self._stamp)
            self._stamp = stamp
            self.facts = facts_of(self._listed)
            self.cursor = digest(self.facts)
            self._looked_at = time.monotonic()

    async def _look(self, runs: RunManager, *, is_new: bool) -> Listed:
        """Return the runs. Finished runs do not change, so only the others are looked at each time."""
        known, request = self._listed, self._request
        is_old = time.monotonic() - self._anew_at > _ANEW_S
        if known is None or is_new or is_old or request.status is not None:
            self._anew_at = time.monotonic()
            return await runs.list(status=request.status, project=self._project, limit=request.limit)
        return replace(known, runs=[await _as_it_is(runs, run) for run in known.runs])


async def _as_it_is(runs: RunManager, run: Run) -> Run:
    if run.state.is_over:
        return run
    now = await runs.glance(run.record.run_id)
    return replace(now, waits_for=run.waits_for) if now.state.status is RunStatus.QUEUED else now


def facts_of(listed: Listed) -> Facts:
    """Return a list in the form for pages: runs that ask first, then running ones; each below its parent."""
    ranked = sorted(listed.runs, key=lambda run: 0 if run.state.status in _ASKS else 2 if run.state.is_over else 1)
    tree = as_tree(ranked, lambda run: run.record.run_id, lambda run: run.record.parent_run_id)
    return {
        "rows": [_row(run, depth) for depth, run in tree],
        "more": listed.next_offset is not None,
        "elsewhere": listed.elsewhere,
    }


def _row(run: Run, depth: int) -> Facts:
    from mcp_background_job.actions.page.runs.used import used

    record, state = run.record, run.state
    asked: dict[str, Any] = (state.request or {}).get("data", {})
    end = state.end or {}
    told = asked.get("text") or asked.get("error") or run.waits_for or end.get("error") or state.summary
    return {
        "run_id": record.run_id,
        "agent": record.agent_name,
        "backend": record.backend,
        "status": state.status.value,
        "prompt": one_line(record.prompt[: _PROMPT * 4], _PROMPT),
        "told": one_line(str(told or "")[: _SAID * 4], _SAID),
        "used": used(end.get("usage")),
        "project": record.project or None,
        "created_at": record.created_at,
        "ended_at": state.updated_at if state.is_over else None,
        "depth": depth,
    }


class Lists:
    """All lists that pages show."""

    def __init__(self, house: House) -> None:
        """Has no lists yet."""
        self._house = house
        self._lists: dict[tuple[Runs, str], _List] = {}

    async def look(self, caller: Caller, request: Runs, cursor: Cursor) -> Seen | None:
        """Return the list, if it has changed."""
        shown = self._of(caller, request)
        await shown.refresh()
        return None if cursor == shown.cursor else Seen(shown.cursor, shown.facts)

    async def wait(self, caller: Caller, request: Runs, cursor: Cursor) -> None:
        """Return when the list has changed."""
        shown = self._of(caller, request)
        while shown.cursor == cursor:
            await asyncio.sleep(_GLANCE_S)
            shown.asked_at = time.monotonic()
            await shown.refresh()

    def _of(self, caller: Caller, request: Runs) -> _List:
        now = time.monotonic()
        for old in [key for key, one in self._lists.items() if now - one.asked_at > _FORGET_S]:
            del self._lists[old]
        shown = self._lists.setdefault((request, caller.project), _List(self._house, request, caller.project))
        shown.asked_at = now
        return shown


def runs_subject(house: House) -> Subject[Any]:
    """Return the list of runs as a subject."""
    lists = Lists(house)
    return Subject("runs", Runs, lists.look, lists.wait)
