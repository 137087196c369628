"""The action that talks to a running job."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from mcp_background_job.actions.arguments import Wait, wait_of
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.jobs.answering import matches_told
from mcp_background_job.actions.jobs.report import JobText
from mcp_background_job.actions.meant import Word
from mcp_background_job.core.job import Job
from mcp_background_job.core.news import OUTPUT
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.jobs import keys as keyboard
from mcp_background_job.jobs.answering import Before, End
from mcp_background_job.jobs.manager import JobManager


@dataclass(frozen=True, kw_only=True)
class Interact:
    """Input for a job."""

    job_id: Word
    input: Annotated[str | None, Field(description="a line for its stdin")] = None
    enter: Annotated[bool, Field(description="end it with Enter")] = True
    keys: Annotated[list[Word] | None, Field(description="then keys: q, ctrl-c, eof, enter, up, f10, alt-x …")] = None
    until: Annotated[str | None, Field(description="wait for this regex, not for the next prompt or silence")] = None
    wait_s: Annotated[float, Field(description="for the answer, at most")] = 5


class Controlling:
    """``interact_with_job``."""

    def __init__(self, manager: JobManager) -> None:
        """Takes the manager of jobs."""
        self._manager = manager

    async def interact_with_job(self, caller: Caller, request: Interact) -> JobText:
        """Send input to a job started with stdin="pipe" or "pty" and return what it printed in answer."""
        if request.input is None and not request.keys:
            raise InvalidRequestError("nothing to send: give input, keys or both")
        wait = wait_of(request.wait_s, request.until, None)
        job = await self._manager.find(request.job_id, caller.changes)
        if request.input is not None:
            await self._manager.ready_for_input(job, wait.request.wait_s)
        before = await self._manager.before_input(job)
        sent = await keyboard.send(self._manager, job, request.input, request.keys or [], newline=request.enter)
        place = await self._answer(caller, job, sent, before, wait, by_until=request.until is not None)
        now = await self._manager.find(job.job_id)
        excerpt = await self._manager.excerpt(now, since=before.size)
        self._manager.news.show(caller.reader, now.job_id, {OUTPUT: excerpt.next})
        return JobText(now, excerpt.end, excerpt.text or "(no output)", f" next cursor {excerpt.next}{place}")

    async def _answer(self, caller: Caller, job: Job, sent: str, before: Before, wait: Wait, *, by_until: bool) -> str:
        """Wait for the answer; returns a note on how the wait ended."""
        wait_s = wait.request.wait_s
        if by_until:
            waiting = self._manager.wait(job, replace(wait.request, since=before.size))
            waited = await caller.wait_for(waiting, f"{job.label} answers", wait_s)
            self._manager.news.show(caller.reader, job.job_id, matches_told(waited, wait.request))
            return f", {waited.why}" if waited.why else ""
        answered = await caller.wait_for(
            self._manager.answer(job, sent, before, wait_s), f"{job.label} answers", wait_s
        )
        return ", no answer yet" if answered is End.NOT_YET and wait_s else ""
