"""The least that a server of background jobs can do: it keeps them in memory, as most servers do.

It is the floor for the cost of durability: each job is a ``subprocess.Popen`` with pipes and a reading thread for each,
without a record, a runner or a shell. With ``empty`` and a number as arguments, the server has that many tools that do
nothing: the floor for a cold start.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import threading
import uuid
from collections import deque
from typing import IO

from fastmcp import FastMCP
from pydantic import BaseModel

mcp = FastMCP("floor")


class Started(BaseModel):
    """A started job."""

    job_id: str


class Output(BaseModel):
    """A job's output."""

    stdout: str
    status: str


_jobs: dict[str, tuple[subprocess.Popen[str], deque[str]]] = {}


def _read(stream: IO[str], lines: deque[str]) -> None:
    lines.extend(line.rstrip("\n") for line in stream)


async def execute_command(command: str) -> Started:
    """Start a command."""
    process = subprocess.Popen(  # noqa: ASYNC220  as such servers do
        shlex.split(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    lines: deque[str] = deque(maxlen=100_000)
    for stream in (process.stdout, process.stderr):
        assert stream
        threading.Thread(target=_read, args=(stream, lines), daemon=True).start()
    job_id = str(uuid.uuid4())
    _jobs[job_id] = (process, lines)
    return Started(job_id=job_id)


async def get_job_status(job_id: str) -> Output:
    """Return a job's status."""
    process, lines = _jobs[job_id]
    return Output(stdout="\n".join(lines), status="running" if process.poll() is None else "completed")


async def nothing() -> None:
    """Do nothing."""


if __name__ == "__main__":
    if sys.argv[1:2] == ["empty"]:
        for number in range(int(sys.argv[2])):
            mcp.tool(nothing, name=f"nothing_{number}")
    else:
        mcp.tool(execute_command)
        mcp.tool(get_job_status)
    mcp.run(show_banner=False, log_level="WARNING")
