"""Notices what changes of jobs, runs, the list of jobs and the queue of ComfyUI. Nothing here moves a reader's cursor.

Each of these yields once as soon as it knows how the thing is, and then whenever it has changed since it last yielded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import TYPE_CHECKING

from mcp_background_job.core.job import JobChoice
from mcp_background_job.core.states import State
from mcp_background_job.executors import lanes
from mcp_background_job.jobs.indexing.passes import settled
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.server.subscriptions.board import INTERVAL_S, Changes

if TYPE_CHECKING:
    from mcp_background_job.agents.life.results import Run
    from mcp_background_job.agents.runs import RunManager
    from mcp_background_job.comfyui.control import ComfyUI
    from mcp_background_job.jobdir.observe import Observation
    from mcp_background_job.jobs.waiting.hub import Hub, Watched

#: Jobs that ``jobs://`` shows.
LISTED = 50

#: While something renders its progress moves, of which a server of ComfyUI tells nobody but who has submitted it.
_PROGRESS_S = 5.0


async def of_job(hub: Hub, job_id: str) -> Changes:
    """Follow the life of a job: its turn, its start, the end of its command, its end."""
    async with hub.watching(job_id, output=False) as watched:
        before: Hashable = None
        while True:
            count = watched.life.count
            if (seen := watched.seen) is not None:
                if (now := _life(watched, seen)) != before:
                    before = now
                    yield
                if seen.state is State.EXITED:  # as it was told: it may have come to that since
                    return
            await watched.life.beyond(count, None)


async def of_log(hub: Hub, job_id: str) -> Changes:
    """Follow the output of a job; that it is complete is a change too."""
    async with hub.watching(job_id, output=True, every_s=INTERVAL_S) as watched:
        before: Hashable = None
        while True:
            count = watched.output.count
            if (seen := watched.seen) is not None:
                is_over = seen.state is State.EXITED
                if (now := (watched.size, is_over)) != before:
                    before = now
                    yield
                if is_over:  # likewise
                    return
            await watched.output.beyond(count, None)


def _life(watched: Watched, seen: Observation) -> Hashable:
    # The rest of a status changes while nothing happens: usage, the time of the last report.
    started = seen.status.started_at if seen.status else None
    return seen.state, seen.outcome, started, watched.leader_exited, seen.trouble


async def of_run(manager: JobManager, runs: RunManager, run_id: str) -> Changes:
    """Follow what a run's agent says, what it asks, and its end."""
    from mcp_background_job.agents.catalog import Reference  # noqa: PLC0415  loaded with runs
    from mcp_background_job.agents.life.watching import MAX_WAIT_S  # noqa: PLC0415

    reference = Reference(run_id)
    run = await runs.get(reference)
    # The connection to its job stays open between two waits.
    async with manager.hub.watching(run.record.job_id, output=False):
        before = _progress(run)
        yield
        while not run.state.is_over:
            run = (await runs.poll(reference, after_seq=run.state.seq, limit=1, wait_s=MAX_WAIT_S)).run
            if _progress(run) != before:
                before = _progress(run)
                yield


def _progress(run: Run) -> Hashable:
    return run.state.seq, run.state.status


async def of_list(manager: JobManager, project: str) -> Changes:
    """Follow which jobs a project has, and how they are.

    Directories are the register of all processes on the machine, and tell nobody that they change: their time stamps
    are looked at, and the list only if one has changed.
    """
    choice = JobChoice(project=project)
    signs: Hashable = None
    before: Hashable = None
    while True:
        now = await lanes.look(_signs, manager)
        if now is None or now != signs:
            jobs = await manager.list(choice, limit=LISTED)
            rows = tuple((job.job_id, job.status) for job in jobs)
            if rows != before:
                before = rows
                yield
            # What has not started yet will, without a trace in any of the directories.
            signs = None if any(job.state is State.STARTING for job in jobs) else now
        await asyncio.sleep(INTERVAL_S)


def _signs(manager: JobManager) -> Hashable:
    """Return a value that changes whenever the list does; ``None`` if the list may change without it."""
    places = manager.places
    stamps = places.jobs_changed_at(), places.marks_changed_at(), places.queue_changed_at()
    return None if -1 in map(settled, stamps) else stamps


async def of_queue(comfyui: ComfyUI) -> Changes:
    """Follow the queue of ComfyUI: what comes and goes, whether it answers, and progress from time to time."""
    async with comfyui.watching_queue() as queue:
        count = queue.change.count
        yield
        while True:
            await queue.change.beyond(count, _PROGRESS_S if queue.remaining else None)
            if queue.change.count != count or queue.remaining:
                count = queue.change.count
                yield
