"""The status of a running job against an empty call, alone and among thousands of unrelated processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator

from bench.client import ServerProcess, facts_of
from bench.figures import Figure, ratio
from bench.plan import Plan

_COMMAND = "sleep 1800"
_BAR = 1.5
_CROWD = 5000

#: Forks processes that sleep, says so, and ends them all when its stdin is closed. Each also ends with its parent.
_CROWD_SCRIPT = """
import ctypes, os, signal, sys
for _ in range(int(sys.argv[1])):
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        signal.pause()
print("there", flush=True)
sys.stdin.read()
os.killpg(0, signal.SIGKILL)
"""

#: A server and one of its jobs.
_Job = tuple[ServerProcess, str]


def measure_status(plan: Plan) -> list[Figure]:
    """Measure ``get_job_status`` in turns with the floor server's, which looks into a dictionary."""
    space = plan.workspace
    with space.floor() as floor, space.ours(space.state_dir()) as server:
        ours = server, facts_of(server.call("execute_command", command=_COMMAND, wait_s=0))["job_id"]
        theirs = floor, facts_of(floor.call("execute_command", command=_COMMAND))["job_id"]
        figures = [_compare(plan, "status of a running job against an empty call", ours, theirs)]
        with _crowd(plan.count(_CROWD, 500)) as count:
            what = f"the same among {count:,} other processes"
            figures.append(_compare(plan, what, ours, theirs))
        server.call("kill_job", job_id=ours[1])
    return figures


def _compare(plan: Plan, what: str, job: _Job, floor: _Job) -> Figure:
    ours: list[float] = []
    empty: list[float] = []
    for _ in range(plan.count(300, 50)):
        ours.append(_status(job))
        empty.append(_status(floor))
    return ratio(what, ours, empty, bar=_BAR)


def _status(job: _Job) -> float:
    server, job_id = job
    began = time.perf_counter()
    result = server.call("get_job_status", job_id=job_id)
    took = time.perf_counter() - began
    assert facts_of(result)["status"] == "running"
    return took


@contextlib.contextmanager
def _crowd(count: int) -> Generator[int]:
    """Keep so many sleeping processes for a while, in a group of their own."""
    command = [sys.executable, "-I", "-S", "-c", _CROWD_SCRIPT, str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as parent:
        assert parent.stdout
        try:
            assert parent.stdout.readline() == b"there\n"
            yield count
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(parent.pid, signal.SIGKILL)
