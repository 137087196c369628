"""The outputs of the prompts of a session, of a batch, or of all prompts, with pictures."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mcp_background_job.actions.action import Facts
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.meant import Word, Words
from mcp_background_job.actions.opening import Opened
from mcp_background_job.actions.page.comfyui import Queue, cursor_of
from mcp_background_job.actions.page.download import Download, Downloadable
from mcp_background_job.actions.page.subject import Cursor, Seen
from mcp_background_job.actions.page.words import pressed
from mcp_background_job.errors import BackgroundJobError

if TYPE_CHECKING:
    from mcp_background_job.comfyui.control import ComfyUI
    from mcp_background_job.comfyui.prompts.catalogue import Row
    from mcp_background_job.comfyui.wire.node_outputs import Made

#: Seconds between two looks for what no event reports: a prompt that somebody added to a session.
_LOOK_S = 15.0

#: The statuses of prompts that are over.
_OVER = ("completed", "failed", "cancelled", "lost_to_restart", "not_sent", "unknown")

#: Sessions to choose from.
_SESSIONS = 50

#: The most bytes of a picture, video or sound in the answer to a call, for pages that cannot load it by itself.
_MAX_SIZE = 6_000_000

#: The most prompts whose rows are kept: finished prompts do not change.
_KEPT = 500

#: Shown if ComfyUI's queue cannot be read.
_SILENT = "ComfyUI does not tell what has ended: this is what is known without it."

_NOTHING: Facts = {"prompts": [], "sessions": [], "more": False}


@dataclass(frozen=True, kw_only=True)
class Watch:
    """The prompts that a page watches: those of a session or batch, or all."""

    session: str | None = None
    batch: Word | None = None
    status: Words | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 24


@dataclass(frozen=True, kw_only=True)
class Show:
    """A file of a prompt, by the page's name for it; ``small`` asks for a thumbnail."""

    prompt_id: Word
    ref: str
    small: bool = True


@dataclass(frozen=True, kw_only=True)
class Save:
    """A file of a prompt, by the page's name for it."""

    prompt_id: Word
    ref: str


def file_download(opened: Opened[ComfyUI]) -> Downloadable[Save]:
    """Return the outputs of prompts as downloads: files of any type, none of which a browser opens by itself."""

    async def found(_caller: Caller, request: Save) -> Download:
        pictures = (await (await opened()).members.at(request.prompt_id)).pictures
        file = await pictures.find(request.prompt_id, request.ref)
        return Download(file.filename, "application/octet-stream", lambda: pictures.content(file))

    return Downloadable("comfyui_file", Save, found)


class Pictures:
    """Files that prompts made."""

    def __init__(self, opened: Opened[ComfyUI]) -> None:
        """Takes a function that opens ComfyUI's control when it is first needed."""
        self._open = opened

    async def comfyui_page_picture(self, _caller: Caller, request: Show) -> Facts:
        """Return a picture, video or sound that a prompt made, for a page that cannot load it in another way."""
        pictures = (await (await self._open()).members.at(request.prompt_id)).pictures
        data, form = await pictures.whole(request.prompt_id, request.ref, small=request.small, max_size=_MAX_SIZE)
        return {"image": f"data:{form};base64,{b64encode(data).decode()}"}


class Gallery:
    """The outputs of the prompts of one server."""

    def __init__(self, opened: Opened[ComfyUI], queue: Queue) -> None:
        """Takes a function that opens ComfyUI's control when first needed, and the queue, which hears of changes."""
        self._open = opened
        self._queue = queue
        self._seen = 0
        self._rows: OrderedDict[str, Facts] = OrderedDict()

    async def look(self, caller: Caller, request: Watch, cursor: Cursor) -> Seen | None:
        """Return finished prompts, newest first, if they differ from what the cursor has seen."""
        self._seen = self._queue.changes
        try:
            facts = await self._look(caller, request, await self._open())
        except BackgroundJobError as error:
            facts = _NOTHING | {"detail": pressed(str(error))}
        now = cursor_of(facts)
        return None if cursor == now else Seen(now, facts)

    async def wait(self, _caller: Caller, _request: Watch, _cursor: Cursor) -> None:
        """Return when the queue has changed, or after a while."""
        await self._queue.changed(self._seen, _LOOK_S)

    async def _look(self, caller: Caller, request: Watch, comfyui: ComfyUI) -> Facts:
        from mcp_background_job.actions.arguments import several
        from mcp_background_job.comfyui import together
        from mcp_background_job.comfyui.reports import page_report

        # An existing session: the current one would be created if there is none, and a page only looks.
        among = await comfyui.among(request.session or None, request.batch, caller.directory)
        wanted = several(request.status) or _OVER
        listing = await together.list_prompts(comfyui, statuses=wanted, among=among, limit=request.limit)
        listed = await comfyui.sessions.list(caller.directory, caller.project, limit=_SESSIONS, all_projects=True)
        facts: Facts = {
            "prompts": await asyncio.gather(*(self._row(comfyui, row) for row in listing.rows)),
            "sessions": page_report.of_sessions(listed.rows),
            "more": listing.more,
        }
        return facts | ({"detail": _SILENT} if listing.trouble else {})

    async def _row(self, comfyui: ComfyUI, row: Row) -> Facts:
        from mcp_background_job.comfyui.reports import page_report
        from mcp_background_job.comfyui.wire.node_outputs import Made

        prompt_id = row.prompt.prompt_id
        known = self._rows.get(prompt_id)
        if known is not None and known["status"] == row.prompt.status:
            self._rows.move_to_end(prompt_id)
            return known
        comfyui = await comfyui.members.at(prompt_id)
        made = await self._made(comfyui, row)
        facts = page_report.of_row(row, made, await comfyui.node_names.of(prompt_id) if made != Made() else {})
        if row.prompt.status != "unknown" and not page_report.comes_again(row.prompt):
            self._rows[prompt_id] = facts
        while len(self._rows) > _KEPT:
            self._rows.popitem(last=False)
        return facts

    async def _made(self, comfyui: ComfyUI, row: Row) -> Made:
        from mcp_background_job.comfyui.wire.node_outputs import Made

        if finished := row.prompt.finished:
            return Made(finished.outputs, finished.shown)
        return (
            await comfyui.pictures.made_by(row.prompt.prompt_id)
            if row.outputs or row.prompt.status == "completed"
            else Made()
        )
