"""Servers are killed around the submission of a job, and each command runs exactly once."""

from __future__ import annotations

import asyncio
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from mcp_background_job.executors.nodes import watcher
from mcp_background_job.executors.slurm import seeing, submitting
from mcp_background_job.jobs.manager import JobManager
from tests.patience import PATIENCE_S, until

pytestmark = [pytest.mark.cluster, pytest.mark.real_process]

#: Servers that are killed. The figure in the documents is of more: ``CLUSTER_POINTS=200``.
_POINTS = int(os.environ.get("CLUSTER_POINTS", "20"))

#: Servers are killed at moments up to so much later than one ended that was left alone.
_BEYOND = 1.2

#: For each line it reads a new process starts one job, as a server does. All is loaded before, so that no time is lost.
_SERVERS = """
import asyncio, os, sys
from mcp_background_job.app import build
from mcp_background_job.config import load_settings
from mcp_background_job.executors.slurm import place
from mcp_background_job.jobs import starting
from mcp_background_job.jobs.request import StartRequest

async def start():
    manager = build(load_settings())
    await manager.start(StartRequest(command='echo $MCP_BG_JOB_ID >> "$RAN"', on="slurm"), client="test")
    os._exit(0)

for _ in sys.stdin:
    pid = os.fork()
    if pid == 0:
        asyncio.run(start())
    print(pid, flush=True)
    os.waitpid(pid, 0)
    print("gone", flush=True)
"""


async def test_each_command_runs_exactly_once_although_its_server_is_killed(
    manager: JobManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (submitting, seeing):
        monkeypatch.setattr(module, "REPEAT_AFTER_S", 3.0)
    monkeypatch.setattr(watcher, "_LONGEST_S", 2.0)
    ran = tmp_path / "ran"
    monkeypatch.setenv("RAN", str(ran))
    await asyncio.to_thread(_kill_servers, random.Random(0))  # noqa: S311  points in time, and no secrets
    store = manager.places.named("slurm").store
    accepted = {job_id for job_id in store.discover() if store.is_recorded(job_id)}

    async def all_ended() -> bool:
        await manager.recover()
        return not manager.places.open_jobs()

    await until(all_ended, "the end of all jobs", PATIENCE_S + _POINTS)
    assert Counter(ran.read_text().split()) == dict.fromkeys(accepted, 1)
    assert {(await manager.find(job_id)).status for job_id in accepted} == {"completed"}


def _kill_servers(points: random.Random) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _SERVERS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as servers:
        longest_s = _lived(servers, PATIENCE_S) * _BEYOND
        for _ in range(_POINTS):
            _lived(servers, points.uniform(0, longest_s))


def _lived(servers: subprocess.Popen[str], at_most_s: float) -> float:
    """Have a server start a job, and kill it unless it ends within so many seconds; returns how long it lived."""
    assert servers.stdin
    assert servers.stdout
    servers.stdin.write("\n")
    descriptor = os.pidfd_open(int(servers.stdout.readline()))
    began = time.monotonic()
    try:
        if not select.select([descriptor], [], [], at_most_s)[0]:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except ProcessLookupError:  # it had ended
        pass
    finally:
        os.close(descriptor)
    assert servers.stdout.readline() == "gone\n"
    return time.monotonic() - began
