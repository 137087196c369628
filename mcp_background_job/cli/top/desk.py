"""All that ``top`` asks for: actions by their names, as tools and pages ask for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cached_property
from typing import Any, cast

from pydantic import BaseModel

from mcp_background_job.actions.action import Action, Illustrated
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.house import House
from mcp_background_job.actions.page.subject import Subject
from mcp_background_job.actions.page.subjects import page_subjects
from mcp_background_job.actions.page.table import page_actions
from mcp_background_job.cli.top.columns import Facts

Actions = list[Action[Any, Any]]


class Desk:
    """What can be looked at and done, and who asks."""

    def __init__(self, house: House, caller: Caller) -> None:
        """Loads nothing yet."""
        self.house = house
        self.caller = caller
        self._rooms: tuple[Callable[[], Actions], ...] = (self._pages, self._jobs, self._comfyui, self._runs)
        self._known: dict[str, Action[Any, Any]] = {}

    async def do(self, name: str, **arguments: Any) -> Facts:
        """Call an action; returns its report. A text is in ``text``.

        Raises:
            BackgroundJobError: it was not done.
        """
        report: object = await self._action(name).call(self.caller, arguments)
        if isinstance(report, Illustrated):
            return report.facts
        if isinstance(report, BaseModel):
            return report.model_dump(exclude_none=True)
        return cast("Facts", report) if isinstance(report, dict) else {"text": str(report)}

    async def watch(self, name: str, take: Callable[[Facts], None], *, pace_s: float = 0.0, **arguments: Any) -> None:
        """Have what there is to see of a subject taken, and all that changes; at most once in ``pace_s`` seconds.

        Raises:
            BackgroundJobError: it cannot be looked at any more.
        """
        subject = self._subjects[name]
        request, cursor = subject.asked.of(arguments), None
        async with subject.keep(self.caller, request):
            while True:
                seen = await subject.look(self.caller, request, cursor)
                if seen is not None:
                    cursor = seen.cursor
                    take(seen.facts)
                    await asyncio.sleep(pace_s)
                await subject.wait(self.caller, request, cursor)

    @cached_property
    def _subjects(self) -> dict[str, Subject[Any]]:
        """What can be watched, by name: what pages watch."""
        return {subject.name: subject for subject in page_subjects(self.house)}

    def _action(self, name: str) -> Action[Any, Any]:
        """Return the action with this name; of what was never asked for, nothing is loaded."""
        rooms = iter(self._rooms)
        while name not in self._known:
            room = next(rooms)
            self._known |= {action.name: action for action in room()}
        return self._known[name]

    def _pages(self) -> Actions:
        return page_actions(self.house)

    def _jobs(self) -> Actions:
        from mcp_background_job.actions.jobs.table import job_actions  # noqa: PLC0415  see above

        return job_actions(self.house.manager, _nobody)

    def _comfyui(self) -> Actions:
        from mcp_background_job.actions.comfyui.table import comfyui_actions  # noqa: PLC0415  see above

        return comfyui_actions(self.house.comfyui)

    def _runs(self) -> Actions:
        from mcp_background_job.actions.runs.table import run_actions  # noqa: PLC0415  see above

        return run_actions(self.house.runs)


def _nobody(*_: object) -> None:
    """Note nothing of who is to be told of an end: whoever looks on sees it."""
