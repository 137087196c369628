"""Writes the events of a run as they come."""

from __future__ import annotations

from mcp_background_job.agents import report
from mcp_background_job.agents.catalog import Reference
from mcp_background_job.agents.results import Run
from mcp_background_job.agents.runs import MAX_EVENTS, RunManager
from mcp_background_job.agents.watching import MAX_WAIT_S
from mcp_background_job.cli import terminal
from mcp_background_job.cli.runs import show


async def write_events(runs: RunManager, reference: Reference, *, after_seq: int, follow: bool, as_json: bool) -> Run:
    """Write events behind a number, and those that come if they are followed; returns the run as it is then."""
    while True:
        wait_s = MAX_WAIT_S if follow else 0.0
        polled = await runs.poll(reference, after_seq=after_seq, limit=MAX_EVENTS, wait_s=wait_s)
        for event in report.of_poll(polled)["events"]:
            if as_json:
                terminal.as_json(event)
            else:
                show.event(event)
        terminal.flush()
        after_seq = polled.next_after_seq
        is_all = polled.run.state.seq <= after_seq
        if is_all and (polled.run.state.is_over or not follow):
            return polled.run
