"""Servers that are killed at random moments around the submission of a job."""

from __future__ import annotations

import os
import random
import select
import signal
import subprocess
import sys
import time

from tests.patience import PATIENCE_S

#: Servers that are started at most, for one that is killed.
_TRIES = 3

#: For each line it reads a new process starts one job, as a server does. All is loaded before, so that no time is lost.
_SERVERS = """
import asyncio, importlib, os, sys
from mcp_background_job.app import build
from mcp_background_job.config import load_settings
from mcp_background_job.jobs import starting
from mcp_background_job.jobs.request import StartRequest

on, command, *modules = sys.argv[1:]
for name in modules:
    importlib.import_module(name)

async def start():
    manager = build(load_settings())
    await manager.start(StartRequest(command=command, on=on), client="test")
    os._exit(0)

for _ in sys.stdin:
    pid = os.fork()
    if pid == 0:
        asyncio.run(start())
    print(pid, flush=True)
    os.waitpid(pid, 0)
    print("gone", flush=True)
"""


def kill_servers(on: str, command: str, count: int, modules: tuple[str, ...]) -> None:
    """Have servers start a job each, and kill them, except for those that have ended before their moment came.

    Args:
        on: where they start it.
        command: that they start.
        count: how many are killed.
        modules: what they load before.
    """
    argv = [sys.executable, "-c", _SERVERS, on, command, *modules]
    points = random.Random(0)  # noqa: S311  points in time, and no secrets
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as servers:
        longest_s, _ = _lived(servers, PATIENCE_S)
        killed = 0
        for _ in range(_TRIES * count):
            lived_s, is_killed = _lived(servers, points.uniform(0, longest_s))
            killed += is_killed
            if killed == count:
                return
            if not is_killed:  # the first one of all takes longer than others, and so does one on a busy machine
                longest_s = lived_s
    raise AssertionError(f"only {killed} of {count} were killed while they lived")


def _lived(servers: subprocess.Popen[str], at_most_s: float) -> tuple[float, bool]:
    """Have a server start a job, and kill it unless it ends within so many seconds.

    Returns:
        How long it lived, and whether it was killed.
    """
    assert servers.stdin
    assert servers.stdout
    servers.stdin.write("\n")
    descriptor = os.pidfd_open(int(servers.stdout.readline()))
    began = time.monotonic()
    try:
        is_killed = not select.select([descriptor], [], [], at_most_s)[0]
        if is_killed:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except ProcessLookupError:
        is_killed = False  # it had just ended
    finally:
        os.close(descriptor)
    assert servers.stdout.readline() == "gone\n"
    return time.monotonic() - began, is_killed
