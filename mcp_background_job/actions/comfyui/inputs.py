"""The action that uploads inputs for workflows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mcp_background_job.actions.action import Facts
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.opening import Opened
from mcp_background_job.core.text import expanded
from mcp_background_job.errors import InvalidRequestError

if TYPE_CHECKING:
    from mcp_background_job.comfyui.control import ComfyUI

#: Clients limit a call to about a minute. After this time no further file is begun; the next call continues.
LIMIT_S = 40.0


@dataclass(frozen=True, kw_only=True)
class Upload:
    """Files to upload as inputs of workflows."""

    path: Annotated[list[str] | str, Field(description="one or several")]
    subfolder: Annotated[str, Field(description="of ComfyUI's inputs")] = ""
    overwrite: Annotated[bool, Field(description="replace what has the name")] = False
    mask_of: Annotated[str | None, Field(description="the file is a mask for this input or output")] = None


class Uploading:
    """``comfyui_upload``."""

    def __init__(self, opened: Opened[ComfyUI]) -> None:
        """Takes a function that opens ComfyUI's control when it is first needed."""
        self._open = opened

    async def comfyui_upload(self, caller: Caller, request: Upload) -> Facts:
        """Give ComfyUI images, masks, videos or audio as inputs; returns the names for workflows.

        The same content is sent once; another file of the same name gets a new name.
        """
        from mcp_background_job.comfyui import together
        from mcp_background_job.comfyui.prompts.uploads import Wish, file_named
        from mcp_background_job.comfyui.reports import input_report

        given = [request.path] if isinstance(request.path, str) else request.path
        if not given:
            raise InvalidRequestError("path: give one file at least")
        paths = [Path(caller.directory, expanded(path)) for path in given]
        original = file_named(request.mask_of) if request.mask_of else None
        wish = Wish(request.subfolder, overwrite=request.overwrite, original=original)
        over = 0

        def done(count: int) -> None:
            nonlocal over
            over = count

        uploading = together.upload(await self._open(), paths, wish, done=done, limit_s=LIMIT_S)
        uploaded = await caller.wait_for(uploading, lambda: f"uploading: {over} of {len(paths)} files", LIMIT_S)
        return input_report.of_uploads(uploaded, left=len(paths) - len(uploaded))
