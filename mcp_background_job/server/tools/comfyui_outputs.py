"""The tool that downloads what ComfyUI has made."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from mcp_types import ImageContent
from pydantic import Field

from mcp_background_job.config import DEFAULT_OUTPUT_DIR
from mcp_background_job.core.text import size
from mcp_background_job.server.context import with_progress
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
        prompt_id: Annotated[list[str] | str, Field(description="one or several")],
        output_dir: Annotated[str, Field(description="below COMFYUI_OUTPUT_DIR")] = DEFAULT_OUTPUT_DIR,
    ) -> ComfyUIResult:
        """Download what renders made (any files) to {output_dir}/{note or short id}/, with a preview of an image.

        What is there already is skipped. Failures have reasons; left: call again.
        """
        ids = [prompt_id] if isinstance(prompt_id, str) else prompt_id
        return await self._download([(one, "") for one in ids], output_dir)

    async def _download(self, prompts: Sequence[tuple[str, str]], output_dir: str) -> ComfyUIResult:
        from mcp_background_job.comfyui import output_report
        from mcp_background_job.comfyui.output_directory import below

        comfyui = self._door.open()
        directory = await asyncio.to_thread(below, comfyui.output_root, output_dir)
        headway = _Latest()
        downloading = comfyui.downloader.download(prompts, directory, report=headway.take, limit_s=_LIMIT_S)
        downloaded = await with_progress(downloading, headway.told, _LIMIT_S)
        known = output_report.of_download(downloaded)
        return ComfyUIResult(images=await _preview(comfyui, downloaded, known), **known)


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
