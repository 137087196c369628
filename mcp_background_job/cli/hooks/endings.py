"""``endings``: what has ended lately, or, as it happens, what ends and what asks."""

from __future__ import annotations

import asyncio
import os
import time

from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.arguments import AllProjects, Follow, Limit
from mcp_background_job.cli.descriptors import is_stdout_read
from mcp_background_job.cli.hooks.others import others
from mcp_background_job.cli.hooks.watching import Watcher, item_of
from mcp_background_job.cli.session import with_manager
from mcp_background_job.config import load_settings
from mcp_background_job.core.job import JobChoice
from mcp_background_job.core.news import Item, sentence
from mcp_background_job.core.states import Outcome
from mcp_background_job.errors import BackgroundJobError, InvalidRequestError
from mcp_background_job.executors import lanes
from mcp_background_job.jobs.endings import run_of
from mcp_background_job.jobs.inherited.project import own_project, project_named
from mcp_background_job.jobs.manager import JobManager

#: Between two looks while nothing happens, which cost four time stamps of files.
_LOOK_AGAIN_S = 0.25

#: How often to look after dead runners: nobody else would notice.
_CARE_S = 1.0


def endings(
    *,
    follow: Follow = False,
    project: str | None = None,
    all_projects: AllProjects = False,
    limit: Limit = 20,
) -> int:
    """Print the jobs and runs of this project that have ended lately, whoever started them.

    With --follow, from now on: a line for each end of a job, run or batch, and for each question of a run, at once.
    Monitors use that. It goes on until nobody reads its output, or the process that started it is gone. It marks
    nothing as told.

    Args:
        follow: Print what happens from now on.
        project: Of this project, a directory or a name, instead of that of the working directory.
        all_projects: Of all projects.
        limit: Without --follow, print at most this many.
    """
    try:
        meant = None if all_projects else project_named(project) if project else own_project(load_settings().project)
    except ValueError as error:
        raise InvalidRequestError(f"--project {project!r}: {error}") from error
    if follow:
        return with_manager(lambda manager: _follow(manager, meant))
    return with_manager(lambda manager: _lately(manager, meant, limit))


async def _lately(manager: JobManager, project: str | None, limit: int) -> int:
    await manager.recover()
    over = tuple(outcome.value for outcome in Outcome)
    jobs = await manager.list(JobChoice(statuses=over, project=project), limit=limit)
    items = {job.job_id: item_of(job) for job in jobs if not job.is_own}
    runs = {job_id: run for job_id in items if (run := await lanes.look(run_of, manager.places, job_id))}
    async with others(manager, load_settings()) as found:
        told = (await found.look(runs.values())).items
    items |= {job_id: item for job_id, run in runs.items() if (item := told.get(run))}
    if not items:
        terminal.say("no job or run has ended here" if project else "no job or run has ended")
    for item in sorted(items.values(), key=lambda item: item.at or 0.0):
        terminal.paragraph(sentence(item), indent="  ")
    return exit_codes.OK


async def _follow(manager: JobManager, project: str | None) -> int:
    parent = os.getppid()
    async with others(manager, load_settings()) as found:
        watcher = Watcher(manager, found, project, since=time.time())
        next_care = 0.0
        try:
            while os.getppid() == parent and is_stdout_read():
                if time.monotonic() >= next_care:
                    next_care = time.monotonic() + _CARE_S
                    await manager.places.tend()
                for item in await _new(watcher):
                    terminal.paragraph(item.text, indent="  ")
                terminal.flush()
                await asyncio.sleep(_LOOK_AGAIN_S)
        finally:
            await watcher.close()
    return exit_codes.OK


async def _new(watcher: Watcher) -> list[Item]:
    try:
        return await watcher.new()
    except BackgroundJobError as error:  # a journal that cannot be read, say: jobs end all the same
        terminal.say(str(error))
        return []
