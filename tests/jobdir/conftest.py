"""Job directories for tests, and small disks that can be filled."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mcp_background_job.jobdir.layout import JobDir, StateDir
from tests.patience import PATIENCE_S


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    """An empty state directory."""
    state = StateDir(str(tmp_path / "state"))
    for directory in (state.jobs, state.open, state.queue, state.order, state.claims):
        os.makedirs(directory, mode=0o700)
    return state


@pytest.fixture
def job(state: StateDir) -> JobDir:
    """An empty job directory."""
    job = state.job("j4k2")
    os.mkdir(job.path, 0o700)
    return job


_HOLDER = """
import os, sys
from mcp_background_job.jobdir.lock import try_acquire
with open("/proc/self/comm", "w") as name:
    name.write(sys.argv[2])
assert try_acquire(sys.argv[1]) is not None
ours, its = os.pipe()
if sys.argv[3] and not os.fork():
    os.close(its)
    os.read(ours, 1)  # ends with this process
    os._exit(0)
os.write(1, b"held\\n")
sys.stdin.read()
"""


@pytest.fixture
def runner_of() -> Iterator[Callable[..., int]]:
    """Starts processes that hold jobs' locks and have a runner's name; returns the pid."""
    with contextlib.ExitStack() as stack:

        def hold(job: JobDir, name: str = "mcp-bg:j4k2", *, child: bool = False) -> int:
            command = [sys.executable, "-c", _HOLDER, job.lock, name, "child" if child else ""]
            holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            stack.enter_context(holder)
            stack.callback(holder.kill)
            assert holder.stdout is not None
            ready, _, _ = select.select([holder.stdout], [], [], PATIENCE_S)
            assert ready, "the process is stuck"
            assert holder.stdout.readline() == b"held\n"
            return holder.pid

        yield hold


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[..., JobDir]]:
    """Makes job directories on disks of a given size, in kB, and for a given number of files."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    with contextlib.ExitStack() as stack:

        def make(*, kilobytes: int, files: int = 0) -> JobDir:
            disk = tmp_path / "disk"
            disk.mkdir()
            options = f"size={kilobytes}k,nr_inodes={files},mode=700"
            command = [mount or "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
            try:
                done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE_S)
            except OSError as error:
                pytest.skip(f"there is no mount command: {error}")
            if done.returncode != 0:
                pytest.skip(f"needs the right to mount a disk that is small enough to fill: {done.stderr.strip()}")
            stack.callback(subprocess.run, [umount or "umount", "-l", str(disk)], check=True, timeout=PATIENCE_S)
            job = StateDir(str(disk)).job("j4k2")
            os.makedirs(job.path, 0o700)
            return job

        yield make
