"""``comfyui download``: what prompts of ComfyUI have made."""

from __future__ import annotations

from pathlib import Path

from mcp_background_job.cli.arguments import AsJson
from mcp_background_job.cli.comfyui.connection import with_comfyui
from mcp_background_job.cli.comfyui.outputs import downloading
from mcp_background_job.cli.comfyui.outputs.downloading import Kind, OutputDir
from mcp_background_job.cli.session import caller
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.outputs.download import Choice
from mcp_background_job.config import DEFAULT_OUTPUT_DIR
from mcp_background_job.core.text import expanded
from mcp_background_job.errors import InvalidRequestError


def download(
    *prompt_ids: str,
    batch: str | None = None,
    session: str | None = None,
    kind: Kind = "all",
    force: bool = False,
    output_dir: OutputDir = Path(DEFAULT_OUTPUT_DIR),
    as_json: AsJson = False,
) -> int:
    """Download all files that prompts have made, into one folder per prompt, named after its note or its id.

    Files that are there already, by size and content, are skipped; no file is replaced.

    Args:
        *prompt_ids: Ids of the prompts, as submit prints them.
        batch: All prompts of this batch instead.
        session: All prompts of this session instead, by name or id; without a value, of the current one.
        kind: output leaves out temporary files, such as previews.
        force: Download files that are there already, too, and keep those that are incomplete.
        output_dir: Directory for the folders.
        as_json: Print JSON, with the field names of the tools.
    """
    if bool(prompt_ids) + (batch is not None) + (session is not None) != 1:
        raise InvalidRequestError("give ids of prompts, --batch or --session: comfyui_jobs lists prompts")
    directory = Path(expanded(str(output_dir))).absolute()
    choice = Choice(kind, force=force)

    async def download_these(comfyui: ComfyUI) -> int:
        prompts = [(prompt_id, "") for prompt_id in prompt_ids]
        if not prompts:
            prompts = await comfyui.catalogue.ids(await comfyui.among(session, batch, caller().directory))
        return await downloading.download(comfyui, prompts, directory, choice, as_json=as_json)

    return with_comfyui(download_these)
