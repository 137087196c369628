"""Gives a command its manager, for as long as the command runs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from mcp_background_job.app import build
from mcp_background_job.config import load_settings
from mcp_background_job.core.naming import Asker
from mcp_background_job.executors import looping
from mcp_background_job.jobs.inherited.project import own_project, working_directory
from mcp_background_job.jobs.manager import JobManager

if TYPE_CHECKING:
    from mcp_background_job.actions.caller import Caller

#: Who asks, in the records of jobs that are started and stopped from here.
CLIENT = "cli"


def caller() -> Caller:
    """Return whoever typed a command: nobody who has to be told later."""
    from mcp_background_job.actions.caller import Caller  # noqa: PLC0415  commands for jobs need none
    from mcp_background_job.core.news import Reader  # noqa: PLC0415

    project = own_project(load_settings().project)
    return Caller(
        client=CLIENT,
        # What sessions of ComfyUI are told apart by: the project, else the directory in which a command was typed.
        directory=project or working_directory(),
        project=project,
        reader=Reader(CLIENT),
        is_patient=True,
    )


def looks(manager: JobManager) -> Asker:
    """Return whoever typed a command that looks at jobs, or waits for them."""
    return Asker(manager.project)


def changes(manager: JobManager) -> Asker:
    """Return whoever typed a command that ends jobs, starts them again or talks to them."""
    return Asker(manager.project, changes=True)


def with_manager(use: Callable[[JobManager], Coroutine[Any, Any, int]]) -> int:
    """Run a coroutine function on the manager of the configured state directory; returns the exit code it returns."""
    manager = build(load_settings())

    async def to_the_end() -> int:
        try:
            return await use(manager)
        finally:
            await manager.places.finish()  # a sweep that was begun on the way
            await manager.inheritance.close()

    try:
        return looping.run(to_the_end())
    finally:
        manager.close()
