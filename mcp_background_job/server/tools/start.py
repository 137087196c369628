"""Tools that start jobs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from mcp_background_job.core.states import State
from mcp_background_job.core.waiting import Kind, Why
from mcp_background_job.jobs.manager import JobManager, Started
from mcp_background_job.jobs.request import StartRequest
from mcp_background_job.jobs.wait import Waited
from mcp_background_job.server.context import client_name, with_progress
from mcp_background_job.server.endings import Endings
from mcp_background_job.server.results import JobResult, job_result
from mcp_background_job.server.tools.arguments import Wait, wait_of


class StartTools:
    """``execute_command`` and ``restart_job``."""

    def __init__(self, manager: JobManager, endings: Endings) -> None:
        """Takes what the tools work on."""
        self._manager = manager
        self._endings = endings

    async def execute_command(
        self,
        command: Annotated[str, Field(description="for the shell")],
        *,
        name: str | None = None,
        cwd: str | None = None,
        env: dict[str, Any] | None = None,
        stdin: Literal["closed", "pipe", "pty"] = "closed",
        wait_s: Annotated[float, Field(description="wait this long for the end (max 50)")] = 2,
        until: Annotated[
            str | None, Field(description="stop waiting at a regex in the output, port:N or idle:S")
        ] = None,
        fail_on: Annotated[str | None, Field(description="regex that ends the wait as failed")] = None,
        timeout_s: Annotated[float | None, Field(description="kill it after")] = None,
        after: Annotated[list[str] | None, Field(description="jobs that must complete first")] = None,
        if_running: Annotated[
            Literal["return", "restart", "new"], Field(description="when a job of this name runs")
        ] = "return",
    ) -> JobResult:
        """Run a shell command as a background job that outlives this server, and wait briefly for it.

        For anything longer than seconds: builds, tests, servers, training. If it ends in time the answer has exit code
        and output; else go on with wait_for_job (until it ends), tail_job_output, kill_job.
        """
        wait = wait_of(wait_s, until, fail_on, from_start=True)
        client = client_name()
        request = StartRequest(
            command=command,
            name=name,
            cwd=cwd,
            env=env or {},
            stdin=stdin,
            timeout_s=timeout_s,
            after=tuple(after or ()),
            if_running=if_running,
        )
        started = await self._manager.start(request, client=client, wait_for_report=wait.request.wait_s > 0)
        return await self._started(started, wait, client)

    async def restart_job(
        self,
        job_id: str,
        wait_s: float = 2,
    ) -> JobResult:
        """Start a job's command again as a new job with the same name, cwd and env; stops it first if it still runs."""
        wait = wait_of(wait_s, None, None, from_start=True)
        client = client_name()
        old = await self._manager.find(job_id)
        result = await self._started(await self._manager.restart(old.job_id, client=client), wait, client)
        result.restarted_from = old.job_id
        return result

    async def _started(self, started: Started, wait: Wait, client: str) -> JobResult:
        self._endings.expect(client, started.job)
        note = wait.note
        if started.existed:
            note = "a job of this name was running already; nothing was started" + (f"; {note}" if note else "")
        log_path = self._manager.executor.log_path(started.job.job_id)
        if wait.request.wait_s == 0:
            return job_result(started.job, pid=started.pid, note=note, log_path=log_path)
        waited = await with_progress(
            self._manager.wait(started.job, wait.request), f"{started.job.label} runs", wait.request.wait_s
        )
        excerpt = await self._manager.excerpt(waited.job)
        pid = None if waited.job.state is State.EXITED else started.pid
        if pid is None and waited.seen.status and waited.job.state is not State.EXITED:
            pid = waited.seen.status.pid
        why = waited.why
        return job_result(
            waited.job,
            pid=pid,
            why=None if why is Why.EXIT and wait.request.until.kind is Kind.EXIT else why,
            line=waited.line,
            note=note or note_of(waited),
            output=excerpt.text,
            next_cursor=excerpt.next,
            log_path=log_path,
        )


def note_of(waited: Waited) -> str | None:
    """Return what a caller may not expect of the way in which a wait ended."""
    status = waited.seen.status
    if waited.why is not Why.LEFT_RUNNING or status is None or status.leader_exit is None:
        return None
    how = status.leader_exit.signal or status.leader_exit.exit_code
    return f"shell exited {how}; processes that it left in the background run on (get_job_status lists them)"
