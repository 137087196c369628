"""The action that downloads the outputs of ComfyUI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from mcp_background_job.actions.action import Illustrated, Picture
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.meant import Word
from mcp_background_job.actions.opening import Opened
from mcp_background_job.config import DEFAULT_OUTPUT_DIR
from mcp_background_job.core.text import size
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.executors import lanes

if TYPE_CHECKING:
    from mcp_background_job.comfyui.control import ComfyUI
    from mcp_background_job.comfyui.outputs.download import Downloaded, Headway
    from mcp_background_job.comfyui.reports.report import Report

#: Clients limit a call to about a minute. After this time no further file is begun; the next call continues.
LIMIT_S = 40.0


@dataclass(frozen=True, kw_only=True)
class Download:
    """The outputs to download, and the directory for them."""

    prompt_id: Annotated[list[Word] | Word | None, Field(description="one or several")] = None
    session: Annotated[str | None, Field(description='or all of a session; "": of the current one')] = None
    batch: Annotated[Word | None, Field(description="or of a batch")] = None
    kind: Annotated[Literal["all", "output"], Field(description="output: no temporary previews")] = "all"
    force: Annotated[bool, Field(description="again, even what is there or broken")] = False
    output_dir: Annotated[str, Field(description="below COMFYUI_OUTPUT_DIR")] = DEFAULT_OUTPUT_DIR


class Downloading:
    """``comfyui_download``."""

    def __init__(self, opened: Opened[ComfyUI]) -> None:
        """Takes a function that opens ComfyUI's control when it is first needed."""
        self._open = opened

    async def comfyui_download(self, caller: Caller, request: Download) -> Illustrated:
        """Download what renders made (files; texts as .txt) to {output_dir}/{note or short id}/, and show an image.

        Files already there are skipped. Failures have reasons; left: call again.
        """
        from mcp_background_job.comfyui import together
        from mcp_background_job.comfyui.outputs import download as downloads
        from mcp_background_job.comfyui.outputs.output_directory import below
        from mcp_background_job.comfyui.reports import output_report

        comfyui = await self._open()
        directory = await lanes.look(below, comfyui.output_root, request.output_dir)
        prompts = await _prompts(comfyui, request, caller.directory)
        headway = _Latest()
        choice = downloads.Choice(request.kind, force=request.force)
        downloading = together.download(
            comfyui, prompts, directory, report=headway.take, limit_s=LIMIT_S, choice=choice
        )
        downloaded = await caller.wait_for(downloading, headway.told, LIMIT_S)
        known = output_report.of_download(downloaded)
        return Illustrated(known, await _preview(comfyui, downloaded, known))


async def _prompts(comfyui: ComfyUI, request: Download, directory: str) -> list[tuple[str, str]]:
    """Return the chosen prompts, by id and note."""
    if sum(one is not None for one in (request.prompt_id, request.session, request.batch)) != 1:
        raise InvalidRequestError("give one of prompt_id, session and batch: comfyui_jobs lists prompts")
    if request.prompt_id is not None:
        asked = [request.prompt_id] if isinstance(request.prompt_id, str) else request.prompt_id
        return [(one, "") for one in asked]
    return await comfyui.catalogue.ids(await comfyui.among(request.session, request.batch, directory))


class _Latest:
    """The progress of a download, in words."""

    def __init__(self) -> None:
        self._headway: Headway | None = None

    def take(self, headway: Headway) -> None:
        self._headway = headway

    def told(self) -> str:
        if self._headway is None:
            return "downloading"
        return f"downloading: {self._headway.done} of {self._headway.files} files, {size(self._headway.size)}"


async def _preview(comfyui: ComfyUI, downloaded: Downloaded, known: Report) -> list[Picture]:
    """Return a picture of the downloaded files, and note in the report which one it is, or why there is none."""
    from mcp_background_job.comfyui import together
    from mcp_background_job.comfyui.outputs.preview import preview_of

    if downloaded.trouble:
        return []
    maker, files = await together.maker_of(comfyui, downloaded)
    preview = await preview_of(maker.endpoint, files)
    if preview.trouble:
        known["preview"] = f"none of {preview.name}: {preview.trouble}"
    elif preview.name:
        known["preview"] = preview.name
    return [Picture(preview.data, preview.mime_type)] if preview.data else []
