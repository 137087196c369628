"""``comfyui upload``: what workflows of ComfyUI take."""

from __future__ import annotations

import sys
from pathlib import Path

from mcp_background_job.cli import terminal
from mcp_background_job.cli.arguments import AsJson
from mcp_background_job.cli.comfyui import show
from mcp_background_job.cli.comfyui.connection import with_comfyui
from mcp_background_job.cli.comfyui.exit_codes import of_transfer
from mcp_background_job.cli.comfyui.outputs import sentences
from mcp_background_job.comfyui import together
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.prompts.uploads import Wish, file_named
from mcp_background_job.comfyui.reports import input_report
from mcp_background_job.core.text import expanded
from mcp_background_job.errors import InvalidRequestError

_TOLD = ("status", "uploaded", "there_already", "failed", "bytes")


def upload(
    *files: str,
    subfolder: str = "",
    overwrite: bool = False,
    mask_of: str | None = None,
    as_json: AsJson = False,
) -> int:
    """Upload images, masks, videos or audio as inputs of ComfyUI, and print the names that workflows use.

    The same content is uploaded once, under whatever name; other content of the same name gets another name.

    Args:
        *files: Files on this machine.
        subfolder: A folder below ComfyUI's folder for inputs.
        overwrite: Replace a file of the same name.
        mask_of: The files are masks that are laid over this input, or over an output written as "name.png [output]".
        as_json: Print JSON, with the field names of the tools.
    """
    if not files:
        raise InvalidRequestError("give one file at least")
    paths = [Path(expanded(file)).absolute() for file in files]
    wish = Wish(subfolder, overwrite=overwrite, original=file_named(mask_of) if mask_of else None)
    return with_comfyui(lambda comfyui: _upload(comfyui, paths, wish, as_json=as_json))


async def _upload(comfyui: ComfyUI, paths: list[Path], wish: Wish, *, as_json: bool) -> int:
    known = input_report.of_uploads(await together.upload(comfyui, paths, wish), limit=sys.maxsize)
    if as_json:
        terminal.as_json(known)
    else:
        show.sentence(sentences.of_upload(known), known["status"])
        show.facts(known, _TOLD)
    return of_transfer(known["status"])
