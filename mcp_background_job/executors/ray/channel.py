"""Connections to runners over TCP. Before one reports news, it fetches the files that the news is about."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from typing import Any

from mcp_background_job.errors import EngineUnreachableError
from mcp_background_job.executors import lanes
from mcp_background_job.executors.nodes import tcp
from mcp_background_job.executors.nodes.client import NodeClient
from mcp_background_job.executors.ray.mirror import Mirror
from mcp_background_job.executors.ray.native import Noted
from mcp_background_job.jobdir import address
from mcp_background_job.jobdir.control import News, NoRunnerError, Outlet, RunnerTimeoutError
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import Exit

#: Seconds for the log of a job: Ray's head has it within moments. The end is known by then, so nobody waits longer.
_LOG_S = 3.0

EndWasTold = Callable[[str, Exit], None]


class Channels:
    """All connections of this process to runners on nodes."""

    def __init__(self, mirror: Mirror, end_was_told: EndWasTold) -> None:
        """Takes the mirror of the files, and a function that receives ends that runners report."""
        self._mirror = mirror
        self._end_was_told = end_was_told
        self._open: Counter[str] = Counter()

    async def connect(self, job: JobDir, noted: Noted) -> RayClient:
        """Connect to a job's runner.

        Raises:
            NoRunnerError: there is none: it does not listen yet, or it is over.
            RunnerTimeoutError: it cannot be reached.
        """
        where = await lanes.look(address.read, job)
        if where is None or where.port is None:
            raise NoRunnerError(f"it is not known yet where the runner of job {job.job_id} is")
        ways = await tcp.connect(where, where.port)
        self._open[job.job_id] += 1

        def hung_up() -> None:
            self._open[job.job_id] -= 1
            self._open += Counter()  # keeps the positive counts

        def told(record: Exit) -> None:
            self._end_was_told(job.job_id, record)

        return RayClient(ways, self._mirror, (job, noted), told=told, hung_up=hung_up)

    def is_open(self, job_id: str) -> bool:
        """Tell whether this process has a connection to a job's runner."""
        return self._open[job_id] > 0


class RayClient(NodeClient):
    """One connection. When it reports news, the files here contain them."""

    def __init__(
        self,
        ways: tuple[asyncio.StreamReader, Outlet],
        mirror: Mirror,
        job: tuple[JobDir, Noted],
        *,
        told: Callable[[Exit], None],
        hung_up: Callable[[], None],
    ) -> None:
        """Takes the connection, the mirror of the files, the job, and functions for its end and for our closing."""
        super().__init__(*ways, told, hung_up)
        self._job, self._noted = job
        self._mirror = mirror
        self._news: News | None = None

    async def news(self) -> News | None:
        """Wait for news, and then for the files that have them; may be cancelled in either, and called again."""
        if self._news is None:
            self._news = await super().news()
        if self._news is not None:
            with contextlib.suppress(RunnerTimeoutError):  # the files show it later
                await lanes.lasting(self._mirror.refresh, self._job)
        news, self._news = self._news, None
        return news

    async def _receive(self) -> dict[str, Any] | None:
        answer = await super()._receive()
        if answer is None and self._is_ended and not self._job.has_exit:
            with contextlib.suppress(EngineUnreachableError, OSError):  # the next process that tends tries again
                async with asyncio.timeout(_LOG_S):  # its error is one of those
                    await lanes.lasting(self._mirror.complete, self._job, self._noted)
        return answer
