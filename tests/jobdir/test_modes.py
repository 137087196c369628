"""A job's user gets its files back, although the job or its owner changed their modes."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from mcp_background_job.jobdir import modes
from mcp_background_job.jobdir.layout import JobDir, StateDir


def test_all_files_can_be_used_again(job: JobDir) -> None:
    Path(job.log).touch()
    Path(job.status).touch()
    assert not modes.restore(job)
    for path in (job.log, job.status, job.path):
        os.chmod(path, 0)
    assert modes.restore(job)
    assert [os.stat(path).st_mode & 0o777 for path in (job.path, job.log, job.status)] == [0o700, 0o600, 0o600]


def test_of_a_directory_that_is_gone_nothing_changes(state: StateDir) -> None:
    assert not modes.restore(state.job("jgone"))


def test_all_files_can_be_used_again_while_others_come_and_go(job: JobDir) -> None:
    Path(job.log).touch()
    is_over = threading.Event()

    def come_and_go() -> None:
        paths = [Path(job.path, f"part{number}") for number in range(20)]
        while not is_over.is_set():
            for path in paths:
                path.touch()
            for path in paths:
                path.unlink()

    coming = threading.Thread(target=come_and_go)
    coming.start()
    try:
        for _ in range(1000):
            os.chmod(job.log, 0)
            assert modes.restore(job)
            assert os.stat(job.log).st_mode & 0o600 == 0o600
    finally:
        is_over.set()
        coming.join()
