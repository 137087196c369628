"""Writes the events of a run as they come."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Generator

from mcp_background_job.agents import report
from mcp_background_job.agents.catalog import Reference
from mcp_background_job.agents.life.results import Run
from mcp_background_job.agents.life.watching import MAX_WAIT_S
from mcp_background_job.agents.runs import MAX_EVENTS, RunManager
from mcp_background_job.cli import terminal
from mcp_background_job.cli.runs import views
from mcp_background_job.cli.wording import PROGRAM


@contextlib.contextmanager
def left_running(reference: Reference) -> Generator[None]:
    """Say at Ctrl-C, which ends nothing but the looks, that a run goes on."""
    try:
        yield
    except asyncio.CancelledError:
        run = reference.run_id or reference.agent_name
        terminal.say_interrupted(
            f"run {run} goes on; {PROGRAM} runs watch {run} watches it, {PROGRAM} runs cancel {run} stops it"
        )
        raise


async def write_events(
    runs: RunManager,
    reference: Reference,
    *,
    after_seq: int,
    follow: bool,
    as_json: bool,
    limit: int | None = None,
    timeout_s: float | None = None,
) -> Run:
    """Write events behind a number, and those that come if they are followed; returns the run as it is then.

    Args:
        runs: the manager of runs.
        reference: which run.
        after_seq: the number.
        follow: go on until the run is over.
        as_json: one object a line.
        limit: so many events at most.
        timeout_s: follow them so long at most.
    """
    until = time.monotonic() + (math.inf if timeout_s is None else timeout_s)
    left = math.inf if limit is None else limit
    while True:
        wait_s = min(MAX_WAIT_S, max(0.0, until - time.monotonic())) if follow else 0.0
        polled = await runs.poll(reference, after_seq=after_seq, limit=int(min(MAX_EVENTS, left)), wait_s=wait_s)
        reference = Reference(polled.run.record.run_id)  # what is the newest run of its agent may change meanwhile
        for event in report.of_poll(polled)["events"]:
            if as_json:
                terminal.as_json(event)
            else:
                views.event(event)
        terminal.flush()
        after_seq = polled.next_after_seq
        left -= len(polled.events)
        is_all = polled.run.state.seq <= after_seq
        is_enough = not follow or polled.run.state.is_over or time.monotonic() >= until
        if left <= 0 or (is_all and is_enough):
            return polled.run
