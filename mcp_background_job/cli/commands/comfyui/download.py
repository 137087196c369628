"""``comfyui download``: what prompts of ComfyUI have made."""

from __future__ import annotations

from pathlib import Path

from mcp_background_job.cli.arguments import AsJson
from mcp_background_job.cli.comfyui import downloading
from mcp_background_job.cli.comfyui.downloading import OutputDir
from mcp_background_job.cli.comfyui.session import with_comfyui
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.prompts.catalogue import Among
from mcp_background_job.config import DEFAULT_OUTPUT_DIR
from mcp_background_job.core.text import expanded
from mcp_background_job.errors import InvalidRequestError


def download(
    *prompt_ids: str,
    batch: str | None = None,
    output_dir: OutputDir = Path(DEFAULT_OUTPUT_DIR),
    as_json: AsJson = False,
) -> int:
    """Download all files that prompts have made, to a folder for each, named by its note or the begin of its id.

    What is there already, by size and content, is skipped; nothing is replaced.

    Args:
        *prompt_ids: Ids of the prompts, as submit prints them.
        batch: All prompts of this batch instead.
        output_dir: Directory for the folders.
        as_json: Print JSON, with the field names of the tools.
    """
    if bool(prompt_ids) == (batch is not None):
        raise InvalidRequestError("give ids of prompts, or --batch: comfyui_jobs lists prompts")
    directory = Path(expanded(str(output_dir))).absolute()
    return with_comfyui(lambda comfyui: _download(comfyui, prompt_ids, batch, directory, as_json=as_json))


async def _download(
    comfyui: ComfyUI, prompt_ids: tuple[str, ...], batch: str | None, directory: Path, *, as_json: bool
) -> int:
    prompts = [(prompt_id, "") for prompt_id in prompt_ids]
    if batch is not None:
        prompts = await comfyui.catalogue.ids(Among(batch_id=(await comfyui.batches.get(batch)).batch_id))
    return await downloading.download(comfyui, prompts, directory, as_json=as_json)
