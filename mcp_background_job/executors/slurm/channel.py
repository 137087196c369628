"""Connections to runners on other machines, by either way: a relay that Slurm starts beside the job, or TCP.

A relay costs a third of a second and 4 MB on the node, and a question to the cluster's controller. So one relay serves
all connections to a job, and is kept for a while after the last of them has closed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from mcp_background_job.executors import lanes
from mcp_background_job.executors.nodes import tcp
from mcp_background_job.executors.nodes.client import NOTHING, NodeClient
from mcp_background_job.executors.slurm import late
from mcp_background_job.executors.slurm.leg import Leg
from mcp_background_job.executors.slurm.relay import Relay
from mcp_background_job.jobdir import address
from mcp_background_job.jobdir.address import Address
from mcp_background_job.jobdir.control import NoRunnerError, Outlet, RunnerTimeoutError
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import Exit

#: Seconds for which an unused relay is kept: a model that looks at a job often looks again within this time.
KEPT_S = 30.0

EndWasTold = Callable[[str, Exit], None]


class Srun(Protocol):
    """The part of Slurm's commands that is needed here."""

    @property
    def control(self) -> str:
        """The way to runners: ``srun`` or ``tcp``."""
        ...

    @property
    def environment(self) -> dict[str, str]:
        """The environment of Slurm's programs."""
        ...

    def srun(self, native_id: str, argv: Sequence[str]) -> list[str]:
        """Return the command line that runs a program beside a job, on the job's node."""
        ...


class Channels:
    """All connections of this process to runners on nodes."""

    def __init__(self, commands: Srun, end_was_told: EndWasTold, *, kept_s: float = KEPT_S) -> None:
        """Takes Slurm's commands, and a function that receives ends that runners report."""
        self._commands = commands
        self._end_was_told = end_was_told
        self._kept_s = kept_s
        self._starting: dict[str, asyncio.Task[Relay]] = {}
        #: By job; relays to ports of nodes by job and port.
        self._relays: dict[str, Relay] = {}
        self._open: Counter[str] = Counter()

    async def connect(self, job: JobDir, native_id: str) -> NodeClient:
        """Connect to a job's runner.

        Raises:
            NoRunnerError: there is none: it does not listen yet, or it is over.
            RunnerTimeoutError: it cannot be reached.
        """
        where = await lanes.look(_address_of, job)
        if where is None:
            raise NoRunnerError(f"{job.address} does not say where the runner is")
        if self._commands.control == "tcp" and where.port is not None:
            return self._client(job.job_id, *await tcp.connect(where, where.port))
        interpreter, package = where.argv
        program = [interpreter, "-I", "-S", package, "--relay", job.path]
        relay = await self._relay(job.job_id, native_id, program)
        client = self._client(job.job_id, *relay.open())
        try:
            answer = await client.ask(NOTHING)
        except BaseException as error:
            await client.hang_up()
            if isinstance(error, RunnerTimeoutError):  # the node may be off, which srun does not notice
                relay.give_up()
            raise
        if answer is None:  # a relay that cannot reach its target closes at once, and so does a runner at its end
            await client.hang_up()
            raise NoRunnerError(f"the runner of job {job.job_id} on {where.node} does not listen any more")
        return client

    async def leg(self, job: JobDir, native_id: str, port: int) -> Leg:
        """Connect to a port of a job's node by a relay of its own, so that its traffic holds up no other request.

        Raises:
            NoRunnerError: the job has not begun, or is over.
            RunnerTimeoutError: the node cannot be reached.
        """
        where = await lanes.look(_address_of, job)
        if where is None:
            raise NoRunnerError(f"{job.address} does not say where the runner is")
        interpreter, package = where.argv
        program = [interpreter, "-I", "-S", package, "--forward", str(port)]
        return Leg(*(await self._relay(f"{job.job_id}:{port}", native_id, program)).open())

    def is_open(self, job_id: str) -> bool:
        """Tell whether this process would notice the end of a job: it has a connection to it, or had one just now."""
        return self._open[job_id] > 0 or (job_id in self._relays and not self._relays[job_id].is_over)

    async def close(self) -> None:
        """Close all connections."""
        for task in list(self._starting.values()):
            task.cancel()
        await asyncio.gather(*self._starting.values(), return_exceptions=True)
        await asyncio.gather(*(relay.close() for relay in self._relays.values()))
        self._relays.clear()

    def _client(self, job_id: str, reader: asyncio.StreamReader, writer: Outlet) -> NodeClient:
        def hung_up() -> None:
            self._open[job_id] -= 1
            self._open += Counter()  # keeps the positive counts

        self._open[job_id] += 1
        return NodeClient(reader, writer, lambda record: self._end_was_told(job_id, record), hung_up)

    async def _relay(self, key: str, native_id: str, program: Sequence[str]) -> Relay:
        """Return the relay whose far end is a program; a caller that comes while it starts waits for it."""
        relay = self._relays.get(key)
        if relay is not None and not relay.is_over:
            return relay
        task = self._starting.get(key)
        if task is None:
            task = self._starting[key] = asyncio.create_task(self._start(key, native_id, program))
            task.add_done_callback(lambda _: self._starting.pop(key, None))
        # A cancelled caller leaves it to the others; it is kept for a while even if there are none.
        return await asyncio.shield(task)

    async def _start(self, key: str, native_id: str, program: Sequence[str]) -> Relay:
        argv = self._commands.srun(native_id, program)
        relay = await Relay.start(argv, self._commands.environment, kept_s=self._kept_s)
        self._relays[key] = relay
        return relay


def _address_of(job: JobDir) -> Address | None:
    found = address.read(job)
    if found is None:
        late.look_anew(job)
        found = address.read(job)
    return found
