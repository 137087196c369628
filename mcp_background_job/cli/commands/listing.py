"""``list``: which jobs there are."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from mcp_background_job.actions.jobs import facts
from mcp_background_job.cli import exit_codes, show, terminal
from mcp_background_job.cli.arguments import AsJson, separated
from mcp_background_job.cli.session import with_manager
from mcp_background_job.core.job import Job
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.jobs.manager import JobManager

#: Seconds between two looks of the live view.
_REFRESH_S = 1.0


@dataclass(frozen=True)
class _Filter:
    statuses: tuple[str, ...]
    name: str | None
    limit: int

    async def jobs(self, manager: JobManager) -> list[Job]:
        return await manager.list(statuses=self.statuses, name=self.name, limit=self.limit)


def list_jobs(
    *,
    status: list[str] | None = None,
    name: str | None = None,
    limit: int = 20,
    every: Annotated[bool, Parameter(name=["--all", "-a"])] = False,
    watch: Annotated[bool, Parameter(name=["--watch", "-w"])] = False,
    as_json: AsJson = False,
) -> int:
    """List jobs, newest first.

    A table for people, tab-separated lines when piped, one array with --json.

    Args:
        status: Only jobs with this status; may be repeated, or hold several with commas between.
        name: Only jobs of this name.
        limit: How many at most.
        every: All of them.
        watch: Keep the table up to date until Ctrl-C.
        as_json: Print JSON, with the same field names everywhere.
    """
    if limit < 1:
        raise InvalidRequestError(f"--limit {limit}: give 1 or more, or --all")
    if watch and (as_json or not terminal.for_people()):
        raise InvalidRequestError("--watch draws on a terminal: leave it out, or leave out --json and the pipe")
    chosen = _Filter(tuple(separated(status)), name, sys.maxsize if every else limit)
    return with_manager(lambda manager: _watch(manager, chosen) if watch else _list(manager, chosen, as_json=as_json))


async def _list(manager: JobManager, chosen: _Filter, *, as_json: bool) -> int:
    await manager.recover()
    jobs = await chosen.jobs(manager)
    if manager.index.filling:
        terminal.say(manager.index.filling)
    if as_json:
        terminal.as_json(await facts.several(manager, jobs))
    elif not terminal.for_people():
        show.rows(jobs)
    elif jobs:
        _print_table(jobs)
    else:
        terminal.line("no jobs")
    return exit_codes.OK


def _print_table(jobs: list[Job]) -> None:
    from rich.console import Console  # noqa: PLC0415  a pipe does without

    Console().print(show.table(jobs))


async def _watch(manager: JobManager, chosen: _Filter) -> int:
    from rich.live import Live  # noqa: PLC0415  a pipe does without

    await manager.recover()
    with Live(show.table(await chosen.jobs(manager)), auto_refresh=False, screen=True) as live:
        while True:
            await asyncio.sleep(_REFRESH_S)
            live.update(show.table(await chosen.jobs(manager)), refresh=True)
