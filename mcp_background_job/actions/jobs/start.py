"""Actions that start jobs."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from mcp_background_job.actions.arguments import Wait, wait_of
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.jobs.answering import IN_ANY_CASE, Answering, Turn
from mcp_background_job.actions.jobs.going import answer, going, is_decided, kept, signs, taken_up
from mcp_background_job.actions.jobs.report import JobResult, job_result
from mcp_background_job.actions.jobs.waiting import notes_of
from mcp_background_job.actions.later import GoesOn, Going, Later, State
from mcp_background_job.actions.meant import Word
from mcp_background_job.core.job import Job
from mcp_background_job.core.states import State as Life
from mcp_background_job.core.waiting import Kind, Why
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.policy import GRACE_S
from mcp_background_job.jobs.request import Changes, StartRequest
from mcp_background_job.jobs.starting import Started
from mcp_background_job.jobs.waiting.wait import Waited

if TYPE_CHECKING:
    from mcp_background_job.jobs.stopping import Killed

#: Is told which job a caller has started: the job's end is news for that caller.
Expect = Callable[[Caller, Job], None]


@dataclass(frozen=True, kw_only=True)
class Execute:
    """A command to run."""

    command: Annotated[str, Field(description="for the shell")]
    name: Word | None = None
    cwd: str | None = None
    env: dict[str, str] | None = None
    stdin: Annotated[
        Literal["closed", "pipe", "pty"],
        Field(description="pipe: REPLs, and programs that end with stdin (esbuild, tailwind --watch); pty: prompts"),
    ] = "closed"
    stdin_text: Annotated[str | None, Field(description="beginning of its input")] = None
    wait_s: Annotated[float, Field(description="wait this long for the end (max 50)")] = 2
    until: Annotated[str | None, Field(description="stop waiting at a regex in the output, port:N or idle:S")] = None
    fail_on: Annotated[str | None, Field(description="regex that ends the wait as failed")] = None
    timeout_s: Annotated[float | None, Field(description="kill it after")] = None
    after: Annotated[list[Word] | None, Field(description="jobs that must complete first")] = None
    leftovers: Annotated[
        Literal["keep", "kill"], Field(description="kill: what outlives the shell is ended, not waited for")
    ] = "keep"
    if_running: Annotated[Literal["return", "restart", "new"], Field(description="when a job of this name runs")] = (
        "return"
    )
    restart: Annotated[Literal["no", "on-failure"], Field(description="with back-off, for servers")] = "no"


@dataclass(frozen=True, kw_only=True)
class ExecuteAnywhere(Execute):
    """A command to run if there are executors beside this machine."""

    on: Annotated[
        str | None, Field(description='where: "slurm gpus=1 cpus=8 mem=64G time=4h" or "ray gpus=1" queues it there')
    ] = None


@dataclass(frozen=True, kw_only=True)
class Restart:
    """A job whose command is to be started again."""

    job_id: Word
    command: str | None = None
    cwd: str | None = None
    env: dict[str, str] | None = None
    grace_s: float = GRACE_S
    wait_s: float = 2
    until: str | None = None
    fail_on: str | None = None


class Starting:
    """``execute_command`` and ``restart_job``."""

    def __init__(self, manager: JobManager, expect: Expect) -> None:
        """Takes the manager of jobs, and a function that is told what was started."""
        self._manager = manager
        self._expect = expect
        self._answering = Answering(manager)

    async def execute_command(self, caller: Caller, request: Execute) -> JobResult:
        """Run a shell command as a background job that outlives this server, and wait briefly for it.

        For anything longer than seconds: builds, tests, servers, training. If it ends in time the answer has exit code
        and output; else go on with wait_for_job (until it ends), tail_job_output, kill_job.
        """
        wait = wait_of(request.wait_s, request.until, request.fail_on, from_start=True)
        wanted = StartRequest(
            command=request.command,
            name=request.name,
            cwd=request.cwd,
            env=request.env or {},
            stdin=request.stdin,
            stdin_text=request.stdin_text,
            timeout_s=request.timeout_s,
            after=tuple(request.after or ()),
            leftovers=request.leftovers,
            if_running=request.if_running,
            restart=request.restart,
            project=caller.project,
            reader=caller.reader.name,
            on=(request.on or "") if isinstance(request, ExecuteAnywhere) else "",
        )
        started = await self._manager.start(wanted, client=caller.client, wait_for_report=wait.request.wait_s > 0)
        return await self._started(caller, started, wait, may_ask=request.stdin != "closed")

    async def restart_job(self, caller: Caller, request: Restart) -> JobResult:
        """Start a job's command again as a new job, with the given changes; stops it first if it still runs."""
        wait = wait_of(request.wait_s, request.until, request.fail_on, from_start=True)
        old = await self._manager.find(request.job_id, caller.changes)
        changes = Changes(command=request.command, cwd=request.cwd, env=request.env or {}, grace_s=request.grace_s)
        started = await self._manager.restart(old.job_id, changes, client=caller.client, reader=caller.reader.name)
        return await self._started(caller, started, wait, restarted_from=old.job_id)

    async def _started(
        self,
        caller: Caller,
        started: Started,
        wait: Wait,
        *,
        restarted_from: str | None = None,
        may_ask: bool = True,
    ) -> JobResult:
        if not started.existed:  # the end of a job that already ran is news for its own starter
            self._expect(caller, started.job)
        existed = "a job of this name was running already; nothing was started" if started.existed else None
        notes = [note for note in (existed, started.note, *wait.notes) if note]
        if wait.request.wait_s == 0 and not caller.takes_later:
            log_path = self._manager.places.store_of(started.job.job_id).log_path(started.job.job_id)
            return job_result(
                started.job,
                pid=started.pid,
                note="; ".join(notes) or None,
                log_path=log_path,
                restarted_from=restarted_from,
            )
        turn = Turn(started.job, wait.request)
        if started.existed:
            (turn,) = await self._answering.turns(caller, [started.job], wait.request)
        waiting = self._manager.wait(started.job, turn.request)
        waited = await caller.wait_for(waiting, f"{started.job.label} runs", wait.request.wait_s)
        if caller.takes_later and not is_decided(waited):
            subject = "" if started.existed else started.job.job_id
            about = {"notes": notes, "restarted_from": restarted_from, "began_at": time.time() - wait.request.wait_s}
            raise GoesOn(subject, {**kept(turn), **wait.asked, **about, "may_ask": may_ask or started.existed})
        return await self._result(caller, waited, turn, notes=notes, pid=started.pid, restarted_from=restarted_from)

    async def _result(
        self,
        caller: Caller,
        waited: Waited,
        turn: Turn,
        *,
        notes: list[str],
        pid: int | None = None,
        restarted_from: str | None = None,
    ) -> JobResult:
        is_over = waited.job.state is Life.EXITED
        if pid is None and waited.seen.status:
            pid = waited.seen.status.pid
        result = await self._answering.result(
            caller,
            waited,
            turn,
            notes=[*notes, *notes_of(waited)],
            budget=IN_ANY_CASE,
            pid=None if is_over else pid,
        )
        if waited.why is Why.EXIT and turn.request.until.kind is Kind.EXIT:
            result.why = None  # the status says it
        result.restarted_from = restarted_from
        return result

    # -- later -----------------------------------------------------------------------------------------------------

    @property
    def later(self) -> Later:
        """The operations on a job that goes on after the call."""
        return Later(self._look, self._stop, self._answer, self._signs, _subjects)

    async def _look(self, caller: Caller, state: State) -> JobResult | Going:
        wait = wait_of(0, state["until"], state["fail_on"])
        turn = await taken_up(self._manager, wait.request, state, state["began_at"])
        waited = await self._manager.wait(turn.job, turn.request)
        if not is_decided(waited):
            return await going(self._manager, [waited])
        return await self._result(caller, waited, turn, notes=state["notes"], restarted_from=state["restarted_from"])

    def _signs(self, state: State) -> Hashable:
        # No file shows that a job waits for input.
        may_ask = state.get("may_ask", True)
        return None if may_ask else signs(self._manager, [state["job_id"]], state["until"])

    async def _stop(self, caller: Caller, state: State) -> Killed:
        return await self._manager.kill(state["job_id"], by=caller.client)

    async def _answer(self, caller: Caller, state: State, fields: dict[str, Any] | None) -> None:
        await answer(self._manager, caller, state["job_id"], fields)


def _subjects(state: State) -> list[str]:
    # A restart is asked for the end of the old job too, and its answer reports it.
    return [job_id for job_id in (state["job_id"], state["restarted_from"]) if job_id]
