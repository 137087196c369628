"""What a page may ask for, and how it is answered: the actions of the tools, and those that only pages need."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mcp_background_job import __version__
from mcp_background_job.actions.action import Action, Effects, Facts, Illustrated, Report, facts_of
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.house import House
from mcp_background_job.actions.page.words import on_page, pressed
from mcp_background_job.core.wire import utf8
from mcp_background_job.errors import BackgroundJobError, InvalidRequestError, ReadOnlyError
from mcp_background_job.web.downloading import Downloading
from mcp_background_job.web.watching import Watching

#: A page looks, answers, ends, and starts again what was started by others: new commands it need not know.
_NOT_FROM_PAGES = frozenset({"execute_command", "spawn_run"})

#: Where the actions of tools say in sentences of ours what came of them, and what to do next.
_TOLD = ("detail", "reason", "advice", "note")


@dataclass(frozen=True, kw_only=True)
class About:
    """What a page may do is asked."""


class Calls:
    """Answers the calls of pages."""

    def __init__(self, house: House, *, read_only: bool) -> None:
        """Takes what is looked at, and whether it may only be looked at."""
        self.house = house
        self._read_only = read_only

    @cached_property
    def watching(self) -> Watching:
        """What tells pages of changes."""
        from mcp_background_job.actions.page.subjects import page_subjects  # noqa: PLC0415  see below

        return Watching(page_subjects(self.house))

    @cached_property
    def downloading(self) -> Downloading:
        """What finds downloads."""
        from mcp_background_job.actions.page.downloads import page_downloads  # noqa: PLC0415  see below

        return Downloading(page_downloads(self.house))

    @cached_property
    def _actions(self) -> dict[str, Action[Any, Any]]:
        # What they take is loaded with the first call: a server that nobody looks at does without.
        from mcp_background_job.actions.comfyui.table import comfyui_actions  # noqa: PLC0415
        from mcp_background_job.actions.jobs.table import job_actions  # noqa: PLC0415
        from mcp_background_job.actions.page.table import page_actions  # noqa: PLC0415
        from mcp_background_job.actions.runs.table import run_actions  # noqa: PLC0415

        house = self.house
        actions = (
            Action(self.about, Effects.LOOKS),
            Action(self.watching.watch, Effects.LOOKS),
            Action(self.downloading.download, Effects.LOOKS),
            *page_actions(house),
            # A page is told of all ends by looking: it need not be told of those of what it starts again.
            *job_actions(house.manager, lambda _caller, _job: None, house.runs),
            *comfyui_actions(house.comfyui, of_several=True),
            *run_actions(house.runs),
        )
        return {action.name: action for action in actions if action.name not in _NOT_FROM_PAGES}

    def load(self) -> None:
        """Load what answers calls: whoever serves pages alone need not let the first of them wait for that."""
        _ = self._actions, self.watching, self.downloading

    async def about(self, caller: Caller, _request: About) -> Facts:
        """Tell what a page may ask for: what each action does to the world."""
        return {
            "version": __version__,
            "project": caller.project or None,
            "read_only": self._read_only,
            "actions": {name: action.effects.value for name, action in self._actions.items() if self._may(action)},
        }

    async def answer(
        self, caller: Caller, name: str, arguments: Mapping[str, Any], only: Collection[Effects] = tuple(Effects)
    ) -> Facts:
        """Return what a page is answered: facts, with pictures if there are any, or an error with its code.

        What it holds has not passed the door for JSON (``core.wire``) yet: that is for whoever sends it.

        Args:
            caller: who looks at the page.
            name: of the action.
            arguments: of the action.
            only: what it may do to the world, by the way that the call has come.
        """
        try:
            action = self._named(name)
            if not self._may(action) or action.effects not in only:
                raise ReadOnlyError(f"this call may only look, and {name} {action.effects.value}: nothing was done")
            return _answer(await action.call(caller, arguments))
        except BackgroundJobError as error:
            return {"error": pressed(utf8(str(error))), "code": error.code}

    def _named(self, name: str) -> Action[Any, Any]:
        action = self._actions.get(name)
        if action is None:
            raise InvalidRequestError(f"there is no action {utf8(name)!r} that a page may ask for")
        return action

    def _may(self, action: Action[Any, Any]) -> bool:
        return not self._read_only or action.effects is Effects.LOOKS


def _answer(report: Report) -> Facts:
    if isinstance(report, str):
        return {"facts": {"text": utf8(report)}}
    answer: Facts = {"facts": on_page(facts_of(report), *_TOLD)}
    if isinstance(report, Illustrated):
        answer["pictures"] = [
            {"mime_type": picture.mime_type, "data": b64encode(picture.data).decode()} for picture in report.pictures
        ]
    return answer
