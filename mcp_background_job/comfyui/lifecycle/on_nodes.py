"""ComfyUI as a job on another machine: started there, ended, and started again as another job.

It listens on the loopback of its node, since a port of the node would let every user of the cluster in. The port is
chosen here, at random. If another program has it there, ComfyUI reports that and ends; nothing else is reached under
it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from mcp_background_job.comfyui.lifecycle import carry_over
from mcp_background_job.comfyui.lifecycle.carry_over import Luggage, Requeue
from mcp_background_job.comfyui.lifecycle.checks import Action, check_idle
from mcp_background_job.comfyui.lifecycle.lifecycle import Lifecycle
from mcp_background_job.comfyui.lifecycle.outcome import Outcome
from mcp_background_job.comfyui.lifecycle.server_job import GRACE_S
from mcp_background_job.comfyui.process.process import ServerProcess
from mcp_background_job.comfyui.process.startup import Settings, startup_of_settings
from mcp_background_job.comfyui.wire.endpoint import PORT_VARIABLE, endpoint_of_job
from mcp_background_job.core.job import Job
from mcp_background_job.core.naming import NO_PROJECT
from mcp_background_job.core.states import State
from mcp_background_job.core.waiting import Kind, Until, Why
from mcp_background_job.errors import LifecycleError, UnknownJobError, UnreachableError
from mcp_background_job.executors import lanes
from mcp_background_job.executors.forward import Forwarding
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import ROOT, StartRequest
from mcp_background_job.jobs.waiting.wait import WaitRequest
from mcp_background_job.registry.pools import SqlitePools

#: Ports that systems do not give to outgoing connections, and that other programs rarely use (Linux: those from 32768).
_PORTS = range(20_000, 32_000)

#: Lines of output that show why a start failed.
_LAST_LINES = 25

#: Said about what a restart cannot keep.
_ANOTHER_JOB = "it is another job, which has a new place in the queue of its cluster"


class NodeServers:
    """Starts ComfyUIs on nodes; they join the pool."""

    def __init__(
        self,
        manager: JobManager,
        pools: SqlitePools,
        settings: Settings,
        *,
        pool: str,
        named: tuple[str, ...],
        reach: Callable[[str], Awaitable[None]],
    ) -> None:
        """Takes its parts.

        Args:
            manager: starts jobs.
            pools: the table of members.
            settings: say how to start ComfyUI.
            pool: the pool that they join.
            named: the members that the settings name.
            reach: asks the ComfyUI of a name whether it answers; raises UnreachableError if it does not.
        """
        self._manager = manager
        self._pools = pools
        self._settings = settings
        self._pool = pool
        self._named = named
        self._reach = reach

    async def start(self, on: str, *, client: str, wait_s: float) -> Outcome:
        """Start ComfyUI on a node, and wait until it answers.

        Raises:
            LifecycleError: no setting says how to start it, or it would run on this machine.
            InvalidRequestError: there is no such place, or it cannot fulfil the wishes.
            LaunchError: it was not submitted.
        """
        began = time.monotonic()
        place = await lanes.look(self._manager.places.named, on)
        if place.name == self._manager.places.names[0]:
            raise LifecycleError(f"on={on!r} is this machine: leave on out to start ComfyUI here")
        if not isinstance(place, Forwarding):
            raise LifecycleError(f"on={on!r}: a port on its nodes cannot be reached from here")
        port = random.choice(_PORTS)  # noqa: S311  no secret: that it is free is all that is wanted
        job = await self._submitted(on, port, client)
        await lanes.journal(self._pools.join, self._pool, [*self._named, endpoint_of_job(job.job_id, port).url])
        outcome = await self._await_ready(job, port, began + wait_s)
        return replace(outcome, took_s=time.monotonic() - began)

    async def _submitted(self, on: str, port: int, client: str) -> Job:
        startup = await lanes.look(startup_of_settings, self._settings, endpoint_of_job("", port))
        if startup is None:
            raise LifecycleError(
                "nothing says how to start ComfyUI on a node: set COMFYUI_DIR to its directory, which the nodes must "
                "share, or COMFYUI_COMMAND to the command that starts it, which finds COMFYUI_PORT in its environment"
            )
        request = StartRequest(
            command=startup.command,
            name=f"comfyui-{port}",
            cwd=startup.cwd,
            env={**startup.variables, PORT_VARIABLE: str(port)},
            # See ServerJob: without a terminal, the output of nodes stays in a buffer.
            stdin="pty",
            is_own=True,
            parent=ROOT,
            project=NO_PROJECT,
            on=on,
        )
        return (await self._manager.start(request, client=client)).job

    async def _await_ready(self, job: Job, port: int, deadline: float) -> Outcome:
        """Wait until this job has opened the port, and answers."""
        until = Until(Kind.PORT, port=port)
        wait_s = max(0.0, deadline - time.monotonic())
        waited = await self._manager.wait(job, WaitRequest(until=until, wait_s=wait_s, from_start=True))
        where = await self._where(job)
        if waited.why is Why.TIMEOUT:
            if waited.job.state is State.QUEUED:
                return Outcome("queued", job_id=job.job_id, detail=f"it waits for its turn there{where}")
            detail = f'it is still starting{where}: wait_for_job("{job.job_id}", until="port:{port}")'
            return Outcome("starting", job_id=job.job_id, detail=detail)
        if waited.why is not Why.PORT:
            tail = await self._manager.tail(waited.job, lines=_LAST_LINES)
            detail = f"it ended while it started{where}: {waited.job.reason or waited.job.status}"
            return Outcome("failed", job_id=job.job_id, output=tail.text, detail=detail)
        try:
            await self._reach(endpoint_of_job(job.job_id, port).url)
        except UnreachableError as error:
            return Outcome("starting", job_id=job.job_id, detail=f"it listens and does not answer yet: {error}")
        return Outcome("started", job_id=job.job_id, detail=f"it answers{where}")

    async def _where(self, job: Job) -> str:
        try:
            seen = (await self._manager.details(job.job_id)).seen
        except UnknownJobError:
            return ""
        told = ", ".join(filter(None, [seen.engine, seen.engine_note]))
        return f" ({told})" if told else ""


class NodeLifecycle(Lifecycle):
    """Acts on one ComfyUI that runs as a job on another machine."""

    def on_node(self, job_id: str, servers: NodeServers, pools: SqlitePools) -> None:
        """Takes its job, the starter of other jobs, and the table of pools."""
        self._job_id = job_id
        self._servers = servers
        self._pools = pools

    async def stop(self, *, client: str, force: bool, agreed: frozenset[str] | None = None) -> Outcome:
        """End it with everything that it started; see ``Lifecycle.stop``."""
        began = time.monotonic()
        async with self.alone("stop"):
            luggage = await self._end(client, "stop_comfyui", "stop", force=force, requeue="none", agreed=agreed)
        return Outcome(
            "stopped",
            job_id=self._job_id,
            lost=tuple(entry.prompt_id for entry in luggage.all),
            of_batches=tuple(entry.prompt_id for entry in luggage.of_batches),
            cancelled=tuple(entry.prompt_id for entry in luggage.cancelled),
            detail=carry_over.told(luggage),
            took_s=time.monotonic() - began,
        )

    async def restart(
        self, *, client: str, force: bool, requeue: Requeue, wait_s: float, agreed: frozenset[str] | None = None
    ) -> Outcome:
        """End it, and start another job like it; see ``Lifecycle.restart``."""
        began = time.monotonic()
        spec = (await self._manager.details(self._job_id)).spec
        if spec is None or not spec.on:
            raise LifecycleError(
                f"job {self._job_id} has no record of where it ran: start another ComfyUI with start_comfyui(on=...)"
            )
        async with self.alone("restart"):
            luggage = await self._end(client, "restart_comfyui", "restart", force=force, requeue=requeue, agreed=agreed)
            outcome = await self._servers.start(
                spec.on, client=client, wait_s=max(0.0, began + wait_s - time.monotonic())
            )
        url = endpoint_of_job(outcome.job_id or "", 0).url
        await lanes.journal(self._pools.move_wished, self._endpoint.url, url)
        wished = [entry.prompt_id for entry in await lanes.journal(self._journal.to_requeue, url)]
        why_lost = carry_over.why_lost(luggage, requeue, [entry for entry in luggage.all if entry.prompt_id in wished])
        return replace(
            outcome,
            status="restarted" if outcome.status == "started" else outcome.status,
            to_requeue=tuple(wished),
            lost=tuple(entry.prompt_id for entry in luggage.all if entry.prompt_id not in wished),
            of_batches=tuple(entry.prompt_id for entry in luggage.of_batches),
            cancelled=tuple(entry.prompt_id for entry in luggage.cancelled),
            detail="; ".join(filter(None, [_ANOTHER_JOB, outcome.detail, carry_over.told(luggage), why_lost])),
            took_s=time.monotonic() - began,
        )

    async def restart_after(self, job_id: str, *, client: str, wait_s: float) -> Outcome:  # noqa: ARG002  see below
        """Restart it at once: its feeder is a job of this machine, and not part of it."""
        return await self.restart(client=client, force=True, requeue="pending", wait_s=wait_s)

    async def stake(self) -> Luggage:
        """Return the prompts that a restart would end, as far as they are known."""
        return await self._luggage("restart", force=True)

    async def last_job(self, process: ServerProcess | None) -> Job | None:  # noqa: ARG002  of another machine
        """Return its job."""
        try:
            return await self._manager.find(self._job_id)
        except UnknownJobError:
            return None

    async def _running_already(self) -> Outcome | None:
        raise LifecycleError(f"job {self._job_id} is one ComfyUI: start_comfyui(on=...) starts another")

    async def _end(
        self, client: str, why: str, action: Action, *, force: bool, requeue: Requeue, agreed: frozenset[str] | None
    ) -> Luggage:
        luggage = await self._luggage(action, force=force)
        carry_over.check_agreed(luggage, requeue, agreed)
        await self._wish(luggage, requeue)
        await self._manager.kill(self._job_id, by=client or why, why=why, grace_s=GRACE_S)
        await carry_over.leave_behind(self._journal, luggage)
        # Its feeder may never look again at a server that no longer exists.
        await lanes.journal(self._batches.take_back, [entry.prompt_id for entry in luggage.of_batches])
        return luggage

    async def _luggage(self, action: Action, *, force: bool) -> Luggage:
        try:
            queue = await self._client.queue()
        except UnreachableError as error:
            if not force:
                raise LifecycleError(f"what would be lost is unknown: {error}. force=true goes ahead") from error
            queue = None
        seen = await self._memory.last(None) if queue is None else None
        luggage = await carry_over.pack(self._journal, self._batches, self._endpoint.url, queue, seen)
        if not force:
            check_idle(luggage, action)
        return luggage
