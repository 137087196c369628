"""The state directory lies on a disk that takes no writes from here, as in a sandbox; the jobs' runners may write."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.app import build
from mcp_background_job.config import load_settings
from mcp_background_job.core.job import JobChoice
from mcp_background_job.errors import StateDirError
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import StartRequest

pytestmark = pytest.mark.real_process

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def _writes(flags: int, *_: object) -> bool:
    return bool(flags & _WRITES)


def _refused(path: object) -> None:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))


@pytest.fixture
def no_writes(state_dir: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Once called, lets this process write nothing below the state directory; who has opened a file keeps it."""

    def guarded(function: Callable[..., Any], writes: Callable[..., object]) -> Callable[..., Any]:
        def call(path: object, *arguments: Any, **options: Any) -> Any:
            if str(path).startswith(state_dir) and writes(*arguments):
                _refused(path)
            return function(path, *arguments, **options)

        return call

    def take_away() -> None:
        monkeypatch.setattr(os, "open", guarded(os.open, _writes))
        monkeypatch.setattr(os, "chmod", guarded(os.chmod, lambda *_: True))
        monkeypatch.setattr(os, "unlink", guarded(os.unlink, lambda *_: True))

    return take_away


@pytest.fixture
async def killed_later(manager: JobManager) -> AsyncGenerator[str]:
    """A job whose end is seen to."""
    started = await manager.start(StartRequest(command="sleep 600", name="kept", project="p"))
    yield started.job.job_id
    await manager.kill(started.job.job_id, by="the test", grace_s=0)


async def test_jobs_are_listed_and_killed_where_nothing_can_be_written(
    state_dir: str, killed_later: str, no_writes: Callable[[], None], tmp_path: Path
) -> None:
    no_writes()
    here = build(load_settings(state_dir=state_dir, working_dir=str(tmp_path)))
    try:
        await here.recover()
        listed = await here.list(JobChoice(project="p"), limit=9)
        assert [(job.job_id, job.status) for job in listed] == [(killed_later, "running")]
        with pytest.raises(StateDirError, match="Read-only file system"):
            await here.start(StartRequest(command="true", name="new"))
        killed = await here.kill(killed_later, by="me")
        assert killed.status == "killed"
    finally:
        await here.places.finish()
        here.close()
