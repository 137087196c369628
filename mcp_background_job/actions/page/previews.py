"""The progress of each node of a prompt, live, with the newest preview image."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from base64 import b64encode
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.meant import Word
from mcp_background_job.actions.opening import Opened
from mcp_background_job.actions.page.subject import Cursor, Seen
from mcp_background_job.executors import lanes

if TYPE_CHECKING:
    from mcp_background_job.comfyui.control import ComfyUI
    from mcp_background_job.comfyui.live.files import LiveFiles
    from mcp_background_job.comfyui.wire.previews import Preview

#: Seconds between two looks at a file: another process receives the progress and replaces the file without notice.
_LOOK_S = 0.1

#: Seconds between two notes that a page is watching; a note is valid for longer.
_SAY_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Watch:
    """The prompt to watch."""

    prompt_id: Word


class Previews:
    """Prompts while they run. A cursor has the version that was seen, and the digest of its picture."""

    def __init__(self, opened: Opened[ComfyUI]) -> None:
        """Takes a function that opens ComfyUI's control when it is first needed."""
        self._open = opened

    @contextlib.asynccontextmanager
    async def keep(self, _caller: Caller, _request: Watch) -> AsyncGenerator[None]:
        """Keep the note alive that a page watches, so that the progress of prompts is passed on."""
        saying = asyncio.create_task(_say((await self._open()).live), name="somebody looks at a prompt")
        try:
            yield
        finally:
            saying.cancel()
            await asyncio.wait({saying})

    async def look(self, _caller: Caller, request: Watch, cursor: Cursor) -> Seen | None:
        """Return the progress of each node; and the picture, unless the cursor has seen it."""
        from mcp_background_job.comfyui.reports import page_report

        comfyui = await self._open()
        version = await lanes.look(comfyui.live.version, request.prompt_id)
        seen, shown = _read(cursor)
        if seen == version:
            return None
        live = await lanes.look(comfyui.live.get, request.prompt_id)
        facts = page_report.of_live(live, await comfyui.node_names.of(request.prompt_id))
        preview = live.preview if live else None
        digest = hashlib.sha256(preview.data).hexdigest()[:16] if preview else ""
        if preview and digest != shown:
            facts["preview"] = _shown(preview)
        return Seen([version, digest], facts)

    async def wait(self, _caller: Caller, request: Watch, cursor: Cursor) -> None:
        """Return when more is known about the prompt."""
        comfyui = await self._open()
        seen, _ = _read(cursor)
        while await lanes.look(comfyui.live.version, request.prompt_id) == seen:  # noqa: ASYNC110  no event crosses processes
            await asyncio.sleep(_LOOK_S)


def _read(cursor: Cursor) -> tuple[str | None, str]:
    match cursor:
        case [str(version), str(digest)]:
            return version, digest
        case _:
            return None, ""


def _shown(preview: Preview) -> dict[str, str]:
    return {"node": preview.node_id, "image": f"data:{preview.form};base64,{b64encode(preview.data).decode()}"}


async def _say(live: LiveFiles) -> None:
    while True:
        await lanes.write(live.look_on)
        await asyncio.sleep(_SAY_S)
