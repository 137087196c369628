"""A feeder inside the test's own process, and somebody who starts ComfyUI again whenever it has ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Generator

import pytest

from mcp_background_job.comfyui.batches import feeder_plan
from mcp_background_job.comfyui.batches.feeder_job import FeederJobs
from tests.comfyui.batches.batch_support import House
from tests.patience import PATIENCE_S

#: The end of a process is looked for so often.
_LOOK_AGAIN_S = 0.02


async def _nobody(*_: object, **__: object) -> None:
    """Start nothing: the test feeds the server itself."""


@contextlib.contextmanager
def no_jobs(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Leave the feeding to the test; a server that is away is asked again soon."""
    with monkeypatch.context() as patched:
        for name in ("ensure", "start", "newest"):
            patched.setattr(FeederJobs, name, _nobody)
        patched.setattr(feeder_plan, "BACKOFF_S", (0.1,))
        yield


async def feed(home: House) -> list[str]:
    """Feed the server until nothing is left to do; returns what the feeder has said."""
    said: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        await home.control.comfyui.feed(job_id=None, client="test", say=said.append)
    return said


@contextlib.asynccontextmanager
async def restarted(home: House) -> AsyncGenerator[None]:
    """Start ComfyUI again whenever it has ended."""
    is_over = asyncio.Event()

    async def again() -> None:
        while not is_over.is_set():
            if home.place.simulator.process.poll() is not None:
                home.ledger.note_death()
                await asyncio.to_thread(home.place.start)
            await asyncio.sleep(_LOOK_AGAIN_S)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(again())
        try:
            yield
        finally:
            is_over.set()  # not cancelled: the thread would start one more that nobody ends
