"""Finds jobs by what no index of the database holds, such as a text: all are looked through, in pieces.

Calls that come meanwhile are served between two pieces. What has not ended comes first in lists, and is in memory.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar

from mcp_background_job.core.job import NEWEST, OLDEST, Age, Job, JobChoice
from mcp_background_job.core.states import NOT_OVER, STATUSES
from mcp_background_job.registry.base import Counts, Registry

Result = TypeVar("Result")

#: Jobs that are looked through in one piece: some milliseconds, in which other calls wait.
_PIECE = 1_000


class Call(Protocol):
    """Runs a function on the registry, in its thread."""

    def __call__(self, function: Callable[[Registry], Result]) -> Awaitable[Result]:
        """Return what it returns."""
        ...


#: Returns what a look into the registry finds, without what was removed behind its back.
There = Callable[[Registry, Callable[[], list[Job]]], list[Job]]


async def found(
    call: Call, there: There, choice: JobChoice, *, limit: int, offset: int, is_counted: bool
) -> tuple[list[Job], Counts]:
    """Return a page of the jobs that are meant, those that have not ended first and then newest first.

    Unless they are counted, the search ends with the last job of the page, and the counts are of what it has seen.
    """
    anywhere = dataclasses.replace(choice, project=None)

    def live(registry: Registry) -> list[Job]:
        return there(registry, lambda: [job for job in reversed(registry.unended()) if anywhere.includes(job)])

    seen = await call(live)
    jobs = {job.job_id: job for job in seen if choice.includes(job)}
    meant, everywhere = len(jobs), len(seen)
    over = tuple(status for status in choice.statuses or STATUSES if status not in NOT_OVER)
    newest: Age | None = choice.before or NEWEST if over else None
    while newest and (is_counted or len(jobs) < offset + limit):
        look = partial(
            _piece,
            there=there,
            choice=dataclasses.replace(choice, statuses=over, before=newest),
            limit=max(0, offset + limit - len(jobs)),
            is_counted=is_counted,
        )
        piece, newest, counts = await call(look)
        jobs |= {job.job_id: job for job in piece}  # one that ended between two pieces is met twice
        meant, everywhere = meant + counts.meant, everywhere + counts.everywhere
    return list(jobs.values())[offset : offset + limit], Counts(meant, everywhere)


def _piece(
    registry: Registry, *, there: There, choice: JobChoice, limit: int, is_counted: bool
) -> tuple[list[Job], Age | None, Counts]:
    """Look through the newest jobs that a choice leaves; returns those found, and the age behind which it goes on."""
    oldest = registry.behind(choice.before or NEWEST, _PIECE)
    since = max(choice.since or OLDEST, oldest or OLDEST)
    piece = dataclasses.replace(choice, since=since)
    jobs = there(registry, lambda: registry.page(piece, limit=limit, offset=0)) if limit else []
    counts = registry.counts(piece) if is_counted else Counts(len(jobs), len(jobs))
    return jobs, oldest if oldest and oldest == since else None, counts
