"""What is new of runs for whoever started them: their ends, and what they ask.

Nobody may be polling a run that asks something. So whoever is to be told looks, and a look is cheap: a run whose log
has not grown since the last one has nothing new to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING

from mcp_background_job.core.news import Item, Kind
from mcp_background_job.core.text import one_line
from mcp_background_job.errors import BackgroundJobError, UnknownRunError
from mcp_background_job.jobdir.layout import is_run_id
from mcp_background_job.jobs.news import Found

if TYPE_CHECKING:
    from mcp_background_job.agents.records import Checkpoint, RunRecord
    from mcp_background_job.agents.runs import RunManager

#: An answer waits so long for a look at all runs that its reader awaits; what takes longer is told with the next one.
_LOOK_S = 0.5

#: Characters of what a run asks, or said last.
_SHOWN = 200


class RunNews:
    """Looks at runs; see ``jobs.news.Others``."""

    def __init__(self, opened: Callable[[], Awaitable[RunManager]]) -> None:
        """Takes what returns the manager of runs, made when somebody first awaits one."""
        self._open = opened

    def has(self, subject: str) -> bool:
        """Tell whether this is a run."""
        return is_run_id(subject)

    async def look(self, subjects: Collection[str]) -> Found:
        """Look at runs, as far as time allows."""
        runs = await self._open()
        looks = {run_id: asyncio.create_task(_item_of(runs, run_id)) for run_id in subjects}
        await asyncio.wait(looks.values(), timeout=_LOOK_S)
        items: dict[str, Item | None] = {}
        gone: set[str] = set()
        for run_id, look in looks.items():
            if not look.done():
                look.cancel()
            elif isinstance(look.exception(), UnknownRunError):
                gone.add(run_id)
            elif not isinstance(look.exception(), BackgroundJobError):  # else it is told wherever it is asked for
                items[run_id] = look.result()
        return Found(items, gone)


async def _item_of(runs: RunManager, run_id: str) -> Item | None:
    run = await runs.glance(run_id)
    return news_of(run.record, run.state)


def news_of(record: RunRecord, state: Checkpoint) -> Item | None:
    """Return what is new of a run, whoever was told: that it has ended, or what it asks."""
    from mcp_background_job.agents.events.projection import WAITING  # noqa: PLC0415  many a server sees no run

    label = f"{record.run_id} `{record.agent_name}`"
    if state.is_over:
        text = f"{label} {state.status}: {one_line(state.summary, _SHOWN)}".removesuffix(": ")
        return Item(subject=record.run_id, kind=Kind.ENDED, at=state.updated_at, text=text)
    if state.status in WAITING and state.request:
        asked = state.request["data"]
        words = one_line(str(asked.get("text") or asked.get("error") or ""), _SHOWN)
        text = f"{label} {state.status}: {words} (continue_run answers)"
        key = str(state.request["seq"])
        return Item(subject=record.run_id, kind=Kind.QUESTION, at=state.updated_at, text=text, key=key)
    return None
