"""Connections to runners over TCP, each of which has the files here before it tells of what is in them."""

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

#: Ray's head has the log of a job within moments. The end is known by then, and a head that is silent holds nobody up.
_LOG_S = 3.0

EndWasTold = Callable[[str, Exit], None]


class Channels:
    """All connections of this process to runners on nodes."""

    def __init__(self, mirror: Mirror, end_was_told: EndWasTold) -> None:
        """Takes what has the files, and what is to be told of ends that runners have told."""
        self._mirror = mirror
        self._end_was_told = end_was_told
        self._open: Counter[str] = Counter()

    async def connect(self, job: JobDir, noted: Noted) -> RayClient:
        """Connect to a job's runner.

        Raises:
            NoRunnerError: none is there: it has not begun to listen, or it is over.
            RunnerTimeoutError: no way leads to it.
        """
        where = await lanes.look(address.read, job)
        if where is None or where.port is None:
            raise NoRunnerError(f"it is not known yet where the runner of job {job.job_id} is")
        ways = await tcp.connect(where, where.port)
        self._open[job.job_id] += 1

        def hung_up() -> None:
            self._open[job.job_id] -= 1
            self._open += Counter()  # keeps what is positive

        def told(record: Exit) -> None:
            self._end_was_told(job.job_id, record)

        return RayClient(ways, self._mirror, (job, noted), told=told, hung_up=hung_up)

    def is_open(self, job_id: str) -> bool:
        """Tell whether somebody talks to a job's runner."""
        return self._open[job_id] > 0


class RayClient(NodeClient):
    """One connection. What it tells of is in the files here when it does."""

    def __init__(
        self,
        ways: tuple[asyncio.StreamReader, Outlet],
        mirror: Mirror,
        job: tuple[JobDir, Noted],
        *,
        told: Callable[[Exit], None],
        hung_up: Callable[[], None],
    ) -> None:
        """Takes the connection, what has the files, and whom to tell of the end and of our hanging up."""
        super().__init__(*ways, told, hung_up)
        self._job, self._noted = job
        self._mirror = mirror
        self._news: News | None = None

    async def news(self) -> News | None:
        """Wait for news, and for the files that have them; may be cancelled in both, and called again."""
        if self._news is None:
            self._news = await super().news()
        if self._news is not None:
            with contextlib.suppress(RunnerTimeoutError):  # then the files show it later
                await lanes.lasting(self._mirror.refresh, self._job)
        news, self._news = self._news, None
        return news

    async def _receive(self) -> dict[str, Any] | None:
        answer = await super()._receive()
        if answer is None and self._is_ended and not self._job.has_exit:
            with contextlib.suppress(EngineUnreachableError, OSError):  # whoever tends the place tries again
                async with asyncio.timeout(_LOG_S):  # its error is one of those
                    await lanes.lasting(self._mirror.complete, self._job, self._noted)
        return answer
