"""Waits until a job has answered its input, by looking at it. The rule is in ``core.dialogue.answering``."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from enum import StrEnum

from mcp_background_job.core.dialogue.answering import Since, has_answered
from mcp_background_job.core.dialogue.asking import asks, is_prompt
from mcp_background_job.core.job import Job
from mcp_background_job.core.states import State
from mcp_background_job.core.values import frozen
from mcp_background_job.executors import lanes
from mcp_background_job.executors.places import Places
from mcp_background_job.executors.waits import UNKNOWN, Waits
from mcp_background_job.jobs.lastline import last_line, newest_since, unfinished_line
from mcp_background_job.jobs.looking import Looker

#: Nobody announces that a process begins to wait for input. So it is looked for: soon after something has happened,
#: then ever more rarely.
_SOONEST_S = 0.02
_LATEST_S = 0.2
_MORE_RARELY = 1.3

#: Whoever was started less than so many seconds ago may not have asked yet, and is waited for that long. A program that
#: asks for a password throws away what was typed before, and a shell on another machine shows it twice.
_YOUNG_S = 5.0
_LOOK_AGAIN_S = 0.05

#: Bytes of an answer's end that are looked at.
_READ = 64 * 1024


class End(StrEnum):
    """How a wait for an answer ended."""

    ANSWERED = "answered"
    ENDED = "ended"  #: the job is over
    NOT_YET = "not_yet"


@frozen
class Before:
    """The state of a job before input was sent to it: its output, what it did about its input, whether it had asked."""

    size: int
    waits: Waits
    asked: bool


@dataclass
class _Look:
    """The last look, and when it has last changed."""

    waits: Waits | None = None
    size: int = -1
    tail: bytes = b""
    changed_at: float = 0.0


class Answerer:
    """Waits for answers; see ``JobManager`` for what is not said here."""

    def __init__(self, places: Places, looker: Looker) -> None:
        """Takes its parts."""
        self._places = places
        self._looker = looker

    async def ready(self, job: Job, patience_s: float) -> None:
        """Wait, if a job with a terminal was just started, until it asks, or for the time given."""
        left = min((job.started_at or job.created_at) + _YOUNG_S - time.time(), patience_s)
        until = time.monotonic() + left
        while time.monotonic() < until:
            waits = await self._places.waits(job.job_id)
            if waits is None and (await self._looker.look(job))[0].state is State.EXITED:
                return
            if waits and waits.mode not in ("line", "raw"):
                return
            if waits and asks(waits.how, waits.mode, await self._last_line(job.job_id)):
                return
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _last_line(self, job_id: str) -> str:
        return await lanes.look(last_line, self._places.store_of(job_id), job_id)

    async def before(self, job: Job) -> Before:
        """Return the state of a job before input is sent to it."""
        waits = await self._waits(job.job_id)
        return Before(waits.size, waits, is_prompt(await self._last_line(job.job_id)))

    async def answer(self, job: Job, sent: str, before: Before, wait_s: float) -> End:
        """Wait until a job has answered, has ended, or for the time given."""
        began = time.monotonic()
        look = _Look(changed_at=began)
        pause = _SOONEST_S
        while True:
            waits = await self._waits(job.job_id)
            is_steady = waits == look.waits
            if waits.size != look.size:
                store = self._places.store_of(job.job_id)
                look.tail = await lanes.look(newest_since, store, job.job_id, before.size, _READ)
                look.size, look.changed_at, pause = waits.size, time.monotonic(), _SOONEST_S
            look.waits = waits
            if has_answered(_since(look, waits, sent, before, is_steady=is_steady)):
                return End.ANSWERED
            if waits.how in ("no", "unknown") and (await self._looker.look(job))[0].state is State.EXITED:
                return End.ENDED
            left = began + wait_s - time.monotonic()
            if left <= 0:
                return End.NOT_YET
            await asyncio.sleep(min(pause, left))
            pause = min(pause * _MORE_RARELY, _LATEST_S)

    async def _waits(self, job_id: str) -> Waits:
        waits = await self._places.waits(job_id) or UNKNOWN
        if waits.how != UNKNOWN.how:
            return waits
        _, size = await lanes.look(self._places.store_of(job_id).log_extent, job_id)
        return replace(waits, size=size)


def _since(look: _Look, waits: Waits, sent: str, before: Before, *, is_steady: bool) -> Since:
    return Since(
        sent=sent,
        output=look.tail.decode(errors="replace"),
        last_line=unfinished_line(look.tail),
        how=waits.how,
        mode=waits.mode,
        slept_anew=waits.block != before.waits.block,
        is_steady=is_steady,
        unread=waits.unread,
        quiet_for=time.monotonic() - look.changed_at,
        asked=before.asked,
    )
