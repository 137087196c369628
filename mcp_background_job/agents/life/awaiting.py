"""Waits for runs like for jobs: until they are over, or until one of them asks something."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence

from mcp_background_job.agents.events.projection import WAITING
from mcp_background_job.agents.life.results import Run
from mcp_background_job.agents.life.watching import Watcher
from mcp_background_job.agents.records import RunRecord


def asks(run: Run) -> bool:
    """Tell whether a run waits for somebody."""
    return run.state.status in WAITING


async def until_settled(
    watcher: Watcher, records: Sequence[RunRecord], *, wait_s: float, for_all: bool, known: Collection[str]
) -> list[Run]:
    """Wait for all runs to be over, or for any one, or for a question; returns all runs as they are then."""
    deadline = time.monotonic() + wait_s
    waits = {asyncio.create_task(watcher.until_settled(record, deadline)): record for record in records}
    left = set(waits)
    try:
        while left:
            done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
            ended = {waits[wait].run_id for wait in done if wait.result().state.is_over}
            is_asked = any(asks(wait.result()) for wait in done)
            if is_asked or (not for_all and ended - set(known)):
                break
    finally:
        for wait in left:
            wait.cancel()
        await asyncio.gather(*left, return_exceptions=True)
    return [
        wait.result() if wait not in left else await watcher.look(record, until=0.0) for wait, record in waits.items()
    ]
