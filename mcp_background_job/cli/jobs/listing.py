"""``list``: which jobs there are."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from mcp_background_job.actions.jobs.listed import Listed, page
from mcp_background_job.cli import exit_codes, tables, terminal
from mcp_background_job.cli.arguments import AllProjects, AsJson, Every, separated
from mcp_background_job.cli.jobs import rows
from mcp_background_job.cli.parameter import named
from mcp_background_job.cli.session import caller, with_manager
from mcp_background_job.core.job import JobChoice
from mcp_background_job.core.text import expanded
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.executors import looping
from mcp_background_job.jobs.manager import JobManager

if TYPE_CHECKING:  # a pipe does without
    from rich.console import RenderableType

#: Looks at the jobs that are asked for.
_Look = Callable[[JobManager], Awaitable[Listed]]

#: Seconds between two looks of the live view.
_REFRESH_S = 1.0


def list_jobs(
    *,
    status: list[str] | None = None,
    name: str | None = None,
    all_projects: AllProjects = False,
    cwd: Path | None = None,
    limit: int = 20,
    every: Every = False,
    watch: Annotated[bool, named("--watch", "-w")] = False,
    as_json: AsJson = False,
) -> int:
    """List this project's jobs: running ones first, then newest first.

    Prints a table on a terminal, tab-separated lines into a pipe, and what the tool list_jobs returns with --json.

    Args:
        status: Only jobs with this status; may be repeated, or hold several with commas between.
        name: Only jobs of this name.
        all_projects: Show those of other projects too.
        cwd: Only jobs that run in this directory or below it.
        limit: Show at most this many.
        every: All of them.
        watch: Keep the table up to date until Ctrl-C.
        as_json: Print JSON, with the same field names everywhere.
    """
    if limit < 1:
        raise InvalidRequestError(f"--limit {limit}: give 1 or more, or --all")
    if watch and (as_json or not terminal.for_people()):
        raise InvalidRequestError("--watch draws on a terminal: leave it out, or leave out --json and the pipe")
    asker = caller()
    choice = JobChoice(
        statuses=tuple(separated(status)),
        name=name,
        project=None if all_projects else asker.project,
        cwd=None if cwd is None else os.path.realpath(expanded(str(cwd))),
    )
    look = partial(page, caller=asker, choice=choice, limit=sys.maxsize if every else limit)
    return with_manager(lambda manager: _watch(manager, look) if watch else _list(manager, look, as_json=as_json))


async def _list(manager: JobManager, look: _Look, *, as_json: bool) -> int:
    await manager.recover()
    found = await look(manager)
    if as_json:
        terminal.as_json({field: value for field, value in vars(found).items() if value is not None})
        return exit_codes.OK
    tables.write(rows.of_jobs(found.jobs))
    if not found.jobs and terminal.for_people():
        terminal.line("no jobs")
    terminal.flush()
    for sentence in rows.beside(found):
        terminal.say(sentence)
    return exit_codes.OK


async def _watch(manager: JobManager, look: _Look) -> int:
    await looping.needed()
    import asyncio  # noqa: PLC0415  see ``looping``
    import shutil  # noqa: PLC0415

    from rich.live import Live  # noqa: PLC0415  a pipe does without

    async def now() -> RenderableType:
        found = (await look(manager)).jobs
        return rows.within(found, shutil.get_terminal_size().lines)

    await manager.recover()
    with Live(await now(), auto_refresh=False, screen=True) as live:
        while True:
            await asyncio.sleep(_REFRESH_S)
            live.update(await now(), refresh=True)
