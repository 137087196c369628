"""Starts, stops and restarts the ComfyUI process; one such action at a time, whichever server or terminal asks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import datetime

from mcp_background_job.comfyui.lifecycle import carry_over
from mcp_background_job.comfyui.lifecycle.carry_over import Carried, Luggage, Requeue
from mcp_background_job.comfyui.lifecycle.checks import Checks
from mcp_background_job.comfyui.lifecycle.other_restarts import OtherRestarts, commanded, told
from mcp_background_job.comfyui.lifecycle.outcome import Outcome
from mcp_background_job.comfyui.lifecycle.server_job import ServerJob
from mcp_background_job.comfyui.process.process import Baselines, ServerProcess
from mcp_background_job.comfyui.process.server_record import ServerRecords
from mcp_background_job.comfyui.process.startup import (
    Settings,
)
from mcp_background_job.comfyui.process.supervision import Supervisor, who_supervises
from mcp_background_job.comfyui.prompts.queue_memory import QueueMemory
from mcp_background_job.comfyui.prompts.submit import Submitter
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.core.comfyui.submission import Submission
from mcp_background_job.core.job import Job
from mcp_background_job.core.states import State
from mcp_background_job.core.waiting import Kind, Until, Why
from mcp_background_job.errors import BackgroundJobError, LifecycleError, UnreachableError
from mcp_background_job.executors import lanes, locks
from mcp_background_job.jobdir import lock
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import ROOT, Again, StartRequest
from mcp_background_job.jobs.waiting.wait import WaitRequest
from mcp_background_job.registry.attempts import SqliteAttempts
from mcp_background_job.registry.batches import SqliteBatches
from mcp_background_job.registry.journal_base import Journal

#: Lines of output that show why a start failed.
_LAST_LINES = 25


class Lifecycle:
    """Acts on the process of one server."""

    def __init__(
        self,
        client: Client,
        journal: Journal,
        attempts: SqliteAttempts,
        submitter: Submitter,
        manager: JobManager,
        *,
        batches: SqliteBatches,
        records: ServerRecords,
        baselines: Baselines,
        memory: QueueMemory,
        settings: Settings,
        lock_path: str,
    ) -> None:
        """Takes its parts; ``lock_path`` is shared by all processes that act on the same server."""
        self._client = client
        self._journal = journal
        self._attempts = attempts
        self._submitter = submitter
        self._manager = manager
        self._batches = batches
        self._records = records
        self._settings = settings
        self.job = ServerJob(client, manager, records, baselines, settings)
        self._checks = Checks(client, journal, batches, records, memory)
        self._memory = memory
        self._others = OtherRestarts(client, manager)
        self._lock_path = lock_path
        self._endpoint = client.endpoint
        self._later: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Leave pending tasks to other processes."""
        for task in self._later:
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)

    async def start(self, *, client: str, wait_s: float, again: Again = "no") -> Outcome:
        """Start ComfyUI as a background job, and wait until it answers; with ``again``, it restarts after failures.

        Raises:
            LifecycleError: it is remote, no setting says how to start it, or another program holds its port.
        """
        began = time.monotonic()
        async with self.alone("start"):
            running = await self._running_already()
            if running:
                return running
            outcome = await self.job.launch(await self.job.startup(), client, began + wait_s, again=again)
        return replace(outcome, took_s=time.monotonic() - began)

    async def stop(self, *, client: str, force: bool, agreed: frozenset[str] | None = None) -> Outcome:
        """End ComfyUI and everything that it started; if ``agreed`` is given, lose only these prompts.

        Raises:
            LifecycleError: it is busy and the stop is not forced, or it is not ours to stop.
            WouldLoseError: other prompts would be lost.
            SurvivorsError: processes survived SIGKILL.
        """
        began = time.monotonic()
        async with self.alone("stop"):
            process = await self._process()
            if process is None:
                await self._checks.check_nobody_else_listens()
                return replace(await self.job.stop_without_port(client), took_s=time.monotonic() - began)
            luggage = await self._checks.look_before(process, force=force, action="stop")
            supervisor = who_supervises(process.portrait, my_uid=os.getuid())
            if supervisor:
                raise LifecycleError(f"{told(supervisor)}, which would start it again or must stop it: stop it there")
            carry_over.check_agreed(luggage, "none", agreed)
            await lanes.write(self._records.save, self._endpoint.port, process.portrait)
            await self._wish(luggage, "none")
            outcome = await self.job.end(process, client, "stop_comfyui")
            await carry_over.leave_behind(self._journal, luggage)
        return replace(
            outcome,
            lost=_ids(luggage.all),
            of_batches=_ids(luggage.of_batches),
            cancelled=_ids(luggage.cancelled),
            detail="; ".join(filter(None, [outcome.detail, carry_over.told(luggage)])),
            took_s=time.monotonic() - began,
        )

    async def restart(
        self, *, client: str, force: bool, requeue: Requeue, wait_s: float, agreed: frozenset[str] | None = None
    ) -> Outcome:
        """End ComfyUI with everything that it started, run it again as it was run, and wait until it answers.

        If ``agreed`` is given, lose only these prompts: the queue may change while a person decides, since they are not
        asked under the lock.

        Raises:
            WouldLoseError: other prompts would be lost.
            LifecycleError: it is busy and the restart is not forced, or nobody here can restart it; the message says
                who can and how.
            SurvivorsError: processes survived SIGKILL; it was not started again.
        """
        began = time.monotonic()
        deadline = began + wait_s
        async with self.alone("restart"):
            process = await self._process()
            if process is None:
                await self._checks.check_nobody_else_listens()
                seen = await self._memory.last(None)
                luggage = await carry_over.pack(self._journal, self._batches, self._endpoint.url, None, seen)
                if seen is None and not luggage.all:  # as far as anybody knows, there was no prompt to lose
                    luggage = Luggage()
                startup = await self.job.startup()
                again = await self._wish(luggage, requeue)
                ended = Outcome("not_running")
            else:
                luggage = await self._checks.look_before(process, force=force, action="restart")
                carry_over.check_agreed(luggage, requeue, agreed)
                supervisor = who_supervises(process.portrait, my_uid=os.getuid())
                if supervisor or self._settings.restart_command:
                    return await self._restart_by_others(
                        supervisor, luggage, requeue, client=client, began=began, deadline=deadline
                    )
                await lanes.write(self._records.save, self._endpoint.port, process.portrait)
                startup = await self.job.startup()
                again = await self._wish(luggage, requeue)
                ended = await self.job.end(process, client, "restart_comfyui")
            await carry_over.leave_behind(self._journal, luggage)
            outcome = await self.job.launch(startup, client, deadline, afresh=True)
            outcome = await self._carry(outcome, luggage, again, requeue)
        status = "restarted" if process and outcome.status == "started" else outcome.status
        return replace(
            outcome,
            status=status,
            old_pid=process.pid if process else None,
            stopped=ended.stopped,
            took_s=time.monotonic() - began,
        )

    async def stake(self) -> Luggage:
        """Return the prompts that a restart would end, as far as they are known; ends nothing.

        Raises:
            LifecycleError: the process that answers there is not ours to restart.
        """
        process = await self._process()
        return await self._checks.look_before(process, force=True, action="restart") if process else Luggage()

    async def restart_after(self, job_id: str, *, client: str, wait_s: float) -> Outcome:
        """End ComfyUI, and have it run again once the job that this process is part of has completed.

        A process that a job starts is part of the job and ends with it. So the start is left in the queue, which the
        job's runner serves as its last act. Waiting prompts are submitted again when ComfyUI is ready.

        Raises:
            LifecycleError: nobody here can restart it; the message says who can and how.
            SurvivorsError: processes survived SIGKILL; it is not started again.
        """
        began = time.monotonic()
        async with self.alone("restart"):
            process = await self._process()
            if process is None:
                return Outcome("not_running")
            luggage = await self._checks.look_before(process, force=True, action="restart")
            supervisor = who_supervises(process.portrait, my_uid=os.getuid())
            if supervisor or self._settings.restart_command:
                return await self._restart_by_others(
                    supervisor, luggage, "pending", client=client, began=began, deadline=began + wait_s
                )
            await lanes.write(self._records.save, self._endpoint.port, process.portrait)
            startup = await self.job.startup()
            again = await self._wish(luggage, "pending")
            # Before the old one ends: if this process dies, the start is queued all the same.
            job = await self.job.launch_after(startup, client, job_id)
            try:
                await self.job.end(process, client, "restart_comfyui")
            except BackgroundJobError:
                await self._manager.kill(job.job_id, by=client, why="the ComfyUI before it could not be ended")
                raise
            await carry_over.leave_behind(self._journal, luggage)
        return Outcome("queued", job_id=job.job_id, old_pid=process.pid, to_requeue=_ids(again))

    async def resume_requeue(self) -> Carried | None:
        """Submit prompts that an earlier restart left to submit; ``None`` if that is impossible now, or under way."""
        if not await lanes.journal(self._journal.to_requeue, self._endpoint.url):
            return None
        try:
            await self._client.queue()  # not under the lock: a wait for an answer must not hold up a restart
            async with self.alone("requeue"):
                return await carry_over.requeue_wanted(self._journal, self._submitter, self._client)
        except (LifecycleError, UnreachableError):
            return None

    async def last_job(self, process: ServerProcess | None) -> Job | None:
        """Return the job that a process is part of; without a process, the job that last ran ComfyUI here."""
        if not self._endpoint.is_local:  # a job of this machine may have the same port
            return None
        return await self.job.of(process) if process else await self.job.named_job()

    async def _wish(self, luggage: Luggage, requeue: Requeue) -> list[Submission]:
        """Record, before the server is ended, that we end it, and which prompts to submit again; returns these."""
        await lanes.journal(self._attempts.about_to_end, self._endpoint.url)
        return await carry_over.wish(self._journal, luggage, requeue)

    @contextlib.asynccontextmanager
    async def alone(self, what: str) -> AsyncGenerator[None]:
        """Act on the server's process or queue while no other process does.

        Raises:
            LifecycleError: another process does.
        """
        # No wait: the other action takes minutes, and may make this one needless or wrong.
        async with locks.held(lambda: lock.acquire(self._lock_path), patience_s=0.0) as got:
            if not got:
                raise LifecycleError(
                    f"{what}: another start, stop, restart or pause of ComfyUI at {self._endpoint.url} is under way; "
                    "comfyui_status shows its outcome"
                )
            yield

    async def _running_already(self) -> Outcome | None:
        process = await self._process()
        if process is None:
            await self._checks.check_nobody_else_listens()
            return None
        job = await self.job.of(process)
        try:
            await self._client.stats()
        except UnreachableError as error:
            await self._checks.check_is_comfyui(process, error)
            raise LifecycleError(
                f"ComfyUI (pid {process.pid}) holds port {self._endpoint.port} and cannot be used: {error}. "
                'restart_comfyui(force=true, requeue="pending") ends it and starts it again'
            ) from error
        return Outcome("already_running", job_id=job.job_id if job else None, pid=process.pid)

    async def _process(self) -> ServerProcess | None:
        if not self._endpoint.is_local:
            raise LifecycleError(
                f"ComfyUI at {self._endpoint.url} is on another machine: its process can only be started, stopped and "
                f"restarted there. Log in (ssh {self._endpoint.host}), and restart ComfyUI as it was started"
            )
        return await lanes.scan(ServerProcess.find, self._endpoint)

    async def _carry(self, outcome: Outcome, luggage: Luggage, again: list[Submission], requeue: Requeue) -> Outcome:
        """Submit the chosen prompts again, now or later; the outcome says what became of each prompt."""
        wished = _ids(again)
        lost = tuple(prompt_id for prompt_id in _ids(luggage.all) if prompt_id not in wished)
        why_lost = carry_over.why_lost(luggage, requeue, again)
        outcome = replace(
            outcome,
            lost=lost,
            of_batches=_ids(luggage.of_batches),
            cancelled=_ids(luggage.cancelled),
            detail="; ".join(filter(None, [outcome.detail, carry_over.told(luggage), why_lost])),
        )
        if not again:
            return outcome
        if outcome.status != "started":
            if outcome.job_id and outcome.status in ("starting", "queued"):
                self._requeue_later(outcome.job_id)
            return replace(outcome, to_requeue=wished)
        carried = await carry_over.requeue_wanted(self._journal, self._submitter, self._client)
        return replace(outcome, requeued=carried.requeued, requeue_refused=carried.refused)

    def _requeue_later(self, job_id: str) -> None:
        """Submit again when the server is ready, if this process lives; otherwise the next look at the server does."""

        async def when_ready() -> None:
            until = Until(Kind.PORT, port=self._endpoint.port)
            while True:
                job = await self._manager.find(job_id)
                waited = await self._manager.wait(job, WaitRequest(until=until, wait_s=_LONG_WAIT_S))
                if waited.why is Why.PORT:
                    await self.resume_requeue()
                if waited.why is not Why.TIMEOUT:
                    return

        task = asyncio.create_task(when_ready(), name=f"requeue on {self._endpoint.url}")
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _restart_by_others(
        self,
        supervisor: Supervisor | None,
        luggage: Luggage,
        requeue: Requeue,
        *,
        client: str,
        began: float,
        deadline: float,
    ) -> Outcome:
        """Have the configured command or ComfyUI-Manager restart it, if it cannot be managed safely here."""
        before = await self._others.boot(otherwise=datetime.now().isoformat())  # noqa: DTZ005  as ComfyUI writes its log
        again = await self._wish(luggage, requeue)
        job: Job | None = None
        if self._settings.restart_command:
            request = StartRequest(
                command=self._settings.restart_command, name="comfyui-restart", is_own=True, parent=ROOT
            )
            job = (await self._manager.start(request, client=client)).job
            how = f"COMFYUI_RESTART_COMMAND runs as {job.job_id}"
        elif await self._others.by_manager():
            how = "ComfyUI-Manager was asked to restart it"
        else:
            await carry_over.take_back(self._journal, luggage.all)
            raise LifecycleError(f"{told(supervisor)}: nothing was ended. {commanded(supervisor)}")
        ready = await self._others.await_other_boot(before, deadline, job)
        outcome = Outcome("started", job_id=job.job_id if job else None, detail=how)
        if not ready:
            return replace(await self._not_back(outcome, job, luggage, again), took_s=time.monotonic() - began)
        await carry_over.leave_behind(self._journal, luggage)
        process = await self._process()
        outcome = await self._carry(replace(outcome, pid=process.pid if process else None), luggage, again, requeue)
        return replace(outcome, status="restarted", took_s=time.monotonic() - began)

    async def _not_back(self, outcome: Outcome, job: Job | None, luggage: Luggage, again: list[Submission]) -> Outcome:
        """Report a restart after which no other server answers. As far as is known, nothing is lost."""
        job = await self._manager.find(job.job_id) if job else None
        if job and job.state is State.EXITED and job.exit_code:
            await carry_over.take_back(self._journal, luggage.all)
            tail = await self._manager.tail(job, lines=_LAST_LINES)
            detail = f"COMFYUI_RESTART_COMMAND ended with exit code {job.exit_code}, and no other ComfyUI answers"
            return replace(outcome, status="failed", output=tail.text, detail=detail)
        detail = f"{outcome.detail}; it is not back yet: comfyui_status tells when it is"
        return replace(outcome, status="requested", to_requeue=_ids(again), detail=detail)


#: Seconds of a wait in the background, which is repeated until it succeeds.
_LONG_WAIT_S = 50.0


def _ids(entries: list[Submission] | tuple[Submission, ...]) -> tuple[str, ...]:
    return tuple(entry.prompt_id for entry in entries)
