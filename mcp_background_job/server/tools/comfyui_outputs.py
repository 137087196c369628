"""The tool that downloads what ComfyUI has made."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mcp_background_job.config import DEFAULT_OUTPUT_DIR
from mcp_background_job.core.text import size
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.server.context import with_progress, working_directory
from mcp_background_job.server.fastmcp_names import ImageContent
from mcp_background_job.server.results import ComfyUIResult
from mcp_background_job.server.tools.comfyui import ComfyUIDoor

if TYPE_CHECKING:
    from mcp_background_job.comfyui.control import ComfyUI
    from mcp_background_job.comfyui.download import Downloaded, Headway
    from mcp_background_job.comfyui.report import Report

#: Clients give a call about a minute: after this time no more files are begun, and the next call goes on from there.
_LIMIT_S = 40.0


class OutputTools:
    """The tool for outputs."""

    def __init__(self, door: ComfyUIDoor) -> None:
        """Takes what the tool works on."""
        self._door = door

    async def comfyui_download(
        self,
        prompt_id: Annotated[list[str] | str | None, Field(description="one or several")] = None,
        session: Annotated[str | None, Field(description="or all of a session")] = None,
        batch: Annotated[str | None, Field(description="or of a batch")] = None,
        output_dir: Annotated[str, Field(description="below COMFYUI_OUTPUT_DIR")] = DEFAULT_OUTPUT_DIR,
    ) -> ComfyUIResult:
        """Download what renders made (any files) to {output_dir}/{note or short id}/, with a preview of an image.

        What is there already is skipped. Failures have reasons; left: call again.
        """
        from mcp_background_job.comfyui import output_report
        from mcp_background_job.comfyui.output_directory import below

        comfyui = self._door.open()
        directory = await asyncio.to_thread(below, comfyui.output_root, output_dir)
        prompts = await _prompts(comfyui, prompt_id, session, batch)
        headway = _Latest()
        downloading = comfyui.download(prompts, directory, report=headway.take, limit_s=_LIMIT_S)
        downloaded = await with_progress(downloading, headway.told, _LIMIT_S)
        known = output_report.of_download(downloaded)
        return ComfyUIResult(images=await _preview(comfyui, downloaded, known), **known)


async def _prompts(
    comfyui: ComfyUI, prompt_id: list[str] | str | None, session: str | None, batch: str | None
) -> list[tuple[str, str]]:
    """Return the prompts that are meant, by id and note."""
    if sum(one is not None for one in (prompt_id, session, batch)) != 1:
        raise InvalidRequestError("give one of prompt_id, session and batch: comfyui_jobs lists prompts")
    if prompt_id is not None:
        return [(one, "") for one in ([prompt_id] if isinstance(prompt_id, str) else prompt_id)]
    return await comfyui.catalogue.ids(await comfyui.among(session, batch, working_directory()))


class _Latest:
    """How far a download is, in words."""

    def __init__(self) -> None:
        self._headway: Headway | None = None

    def take(self, headway: Headway) -> None:
        self._headway = headway

    def told(self) -> str:
        if self._headway is None:
            return "downloading"
        return f"downloading: {self._headway.done} of {self._headway.files} files, {size(self._headway.size)}"


async def _preview(comfyui: ComfyUI, downloaded: Downloaded, known: Report) -> list[ImageContent]:
    """Return a picture of what was downloaded, and note in the report which one, or why there is none."""
    from mcp_background_job.comfyui.preview import preview_of

    if downloaded.trouble:
        return []
    preview = await preview_of(comfyui.endpoint, [file.wanted.file for file in downloaded.files])
    if preview.trouble:
        known["preview"] = f"none of {preview.name}: {preview.trouble}"
    elif preview.name:
        known["preview"] = preview.name
    if not preview.data:
        return []
    return [ImageContent(type="image", data=b64encode(preview.data).decode(), mime_type=preview.mime_type)]
