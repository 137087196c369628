"""Connects to runners without holding up the event loop."""

from __future__ import annotations

import socket

from mcp_background_job.executors import lanes
from mcp_background_job.jobdir.control import RunnerClient, connected
from mcp_background_job.jobdir.layout import JobDir


async def connect(job: JobDir) -> RunnerClient:
    """Connect to a job's runner.

    Raises:
        NoRunnerError: the job has no runner.
        RunnerTimeoutError: more connections are waiting for the runner than there ever should be.
    """
    return await RunnerClient.over(await dial(job))


async def dial(job: JobDir) -> socket.socket:
    """Return a socket that is connected to a job's runner, for one question.

    Raises:
        NoRunnerError: the job has no runner.
        RunnerTimeoutError: more connections are waiting for the runner than there ever should be.
    """
    return await lanes.hold(lambda: connected(job), socket.socket.close)
