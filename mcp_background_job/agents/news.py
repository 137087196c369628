"""News of runs for the callers that started them: their ends, and their questions.

Nobody may be polling a run that asks something. So each reader of news looks at its runs, and a look is cheap: a run
whose log has not grown since the last look has no news.
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

#: Seconds that an answer waits for a look at all the runs of its reader; later results come with the next answer.
_LOOK_S = 0.5

#: Characters of a run's question, or of its last message.
_SHOWN = 200


class RunNews:
    """Looks at runs; see ``jobs.news.Others``."""

    def __init__(self, opened: Callable[[], Awaitable[RunManager]]) -> None:
        """Takes a function that returns the manager of runs, and makes it on the first call."""
        self._open = opened

    def has(self, subject: str) -> bool:
        """Tell whether the subject is a run."""
        return is_run_id(subject)

    async def look(self, subjects: Collection[str]) -> Found:
        """Look at runs, as far as the time allows."""
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
            elif not isinstance(look.exception(), BackgroundJobError):  # others are shown with the run
                items[run_id] = look.result()
        return Found(items, gone)


async def _item_of(runs: RunManager, run_id: str) -> Item | None:
    run = await runs.glance(run_id)
    return news_of(run.record, run.state)


def news_of(record: RunRecord, state: Checkpoint) -> Item | None:
    """Return the news of a run, no matter who was told: that it has ended, or its question."""
    from mcp_background_job.agents.events.projection import WAITING  # noqa: PLC0415  many servers see no run

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
