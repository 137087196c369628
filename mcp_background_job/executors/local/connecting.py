"""Connects to runners without holding up the event loop."""

from __future__ import annotations

import socket

from mcp_background_job.executors import lanes
from mcp_background_job.jobdir.control import RunnerClient, connected
from mcp_background_job.jobdir.layout import JobDir


async def connect(job: JobDir) -> RunnerClient:
    """Connect to a job's runner.

    Raises:
        NoRunnerError: there is none.
        RunnerTimeoutError: it has more connections waiting than it ever should.
    """
    return await RunnerClient.over(await dial(job))


async def dial(job: JobDir) -> socket.socket:
    """Return a socket that is connected to a job's runner, for one question.

    Raises:
        NoRunnerError: there is none.
        RunnerTimeoutError: it has more connections waiting than it ever should.
    """
    return await lanes.hold(lambda: connected(job), socket.socket.close)
