"""Actions on running jobs: talking to them, and stopping them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from mcp_background_job.actions.arguments import wait_of
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.jobs.report import JobText, KillResult, kill_result
from mcp_background_job.core.news import OUTPUT
from mcp_background_job.core.waiting import Kind, Until
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.jobs import keys as keyboard
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.output import compile_regex
from mcp_background_job.jobs.wait import WaitRequest

#: After input, an answer is taken to be complete when nothing has come for this long.
_ANSWER_PAUSE_S = 0.3

_ANYTHING = "(?s)."


@dataclass(frozen=True, kw_only=True)
class Interact:
    """Input for a job."""

    job_id: str
    input: Annotated[str | None, Field(description="a line for its stdin")] = None
    keys: Annotated[list[str] | None, Field(description="then keys: ctrl-c, eof, enter, tab, escape, up, down …")] = (
        None
    )
    wait_s: Annotated[float, Field(description="for what comes back")] = 2


@dataclass(frozen=True, kw_only=True)
class Kill:
    """A job to be stopped."""

    job_id: str
    signal: str = "TERM"
    grace_s: Annotated[float, Field(description="until SIGKILL")] = 5


class Controlling:
    """``interact_with_job`` and ``kill_job``."""

    def __init__(self, manager: JobManager) -> None:
        """Takes what it works on."""
        self._manager = manager

    async def interact_with_job(self, caller: Caller, request: Interact) -> JobText:
        """Send input to a job started with stdin="pipe" or "pty" and return what it printed in answer."""
        if request.input is None and not request.keys:
            raise InvalidRequestError("nothing to send: give input, keys or both")
        wait_s = wait_of(request.wait_s, None, None).request.wait_s
        job = await self._manager.find(request.job_id)
        before = (await self._manager.page(job, cursor=2**62, max_bytes=1)).end
        await keyboard.send(self._manager, job, request.input, request.keys or [])
        answered = await self._manager.wait(
            job,
            WaitRequest(
                until=Until(Kind.REGEX), until_pattern=compile_regex(_ANYTHING, "until"), wait_s=wait_s, since=before
            ),
        )
        if answered.line is not None:
            pause = min(_ANSWER_PAUSE_S, wait_s)
            await self._manager.wait(job, WaitRequest(until=Until(Kind.IDLE, idle_s=pause), wait_s=wait_s))
        now = await self._manager.find(job.job_id)
        excerpt = await self._manager.excerpt(now, since=before)
        await self._manager.news.show(caller.reader, now.job_id, {OUTPUT: excerpt.next})
        return JobText(now, excerpt.end, excerpt.text or "(no output)", f" next cursor {excerpt.next}")

    async def kill_job(self, caller: Caller, request: Kill) -> KillResult:
        """Stop a job and every process that it started, those in the background too. Returns when all are dead."""
        killing = self._manager.kill(request.job_id, by=caller.client, signal=request.signal, grace_s=request.grace_s)
        killed = await caller.wait_for(killing, f"stopping {request.job_id}", request.grace_s)
        return kill_result(request.job_id, killed)
