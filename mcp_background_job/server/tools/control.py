"""Tools that act on running jobs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mcp_background_job.core.waiting import Kind, Until
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.jobs import keys as keyboard
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.output import compile_regex
from mcp_background_job.jobs.wait import WaitRequest
from mcp_background_job.server.context import client_name, with_progress
from mcp_background_job.server.results import KillResult, headline, told_reason
from mcp_background_job.server.tools.arguments import wait_of

#: After input, an answer is taken to be complete when nothing has come for this long.
_ANSWER_PAUSE_S = 0.3

_ANYTHING = "(?s)."


class ControlTools:
    """``interact_with_job`` and ``kill_job``."""

    def __init__(self, manager: JobManager) -> None:
        """Takes what the tools work on."""
        self._manager = manager

    async def interact_with_job(
        self,
        job_id: str,
        input: Annotated[str | None, Field(description="a line for its stdin")] = None,  # noqa: A002  its users' name
        keys: Annotated[
            list[str] | None, Field(description="then keys: ctrl-c, eof, enter, tab, escape, up, down …")
        ] = None,
        wait_s: Annotated[float, Field(description="for what comes back")] = 2,
    ) -> str:
        """Send input to a job started with stdin="pipe" or "pty" and return what it printed in answer."""
        if input is None and not keys:
            raise InvalidRequestError("nothing to send: give input, keys or both")
        wait_s = wait_of(wait_s, None, None).request.wait_s
        job = await self._manager.find(job_id)
        before = (await self._manager.page(job, cursor=2**62, max_bytes=1)).end
        await keyboard.send(self._manager, job, input, keys or [])
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
        return f"{headline(now, excerpt.end)} next cursor {excerpt.next}\n{excerpt.text or '(no output)'}"

    async def kill_job(
        self,
        job_id: str,
        signal: str = "TERM",
        grace_s: Annotated[float, Field(description="until SIGKILL")] = 5,
    ) -> KillResult:
        """Stop a job and every process that it started, those in the background too. Returns when all are dead."""
        killed = await with_progress(
            self._manager.kill(job_id, by=client_name(), signal=signal, grace_s=grace_s), f"stopping {job_id}", grace_s
        )
        job = killed.job
        if job is None:
            return KillResult(status=killed.status, job_id=job_id)
        return KillResult(
            status=killed.status,
            job_id=job.job_id,
            exit_code=job.exit_code,
            signal=job.signal,
            reason=told_reason(job),
        )
