"""``comfyui download``: what prompts of ComfyUI have made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mcp_background_job.cli.arguments import AsJson
from mcp_background_job.cli.comfyui import downloading
from mcp_background_job.cli.comfyui.downloading import OutputDir
from mcp_background_job.cli.comfyui.session import with_comfyui
from mcp_background_job.config import DEFAULT_OUTPUT_DIR


def download(
    *prompt_ids: Annotated[str, Parameter(required=True)],
    output_dir: OutputDir = Path(DEFAULT_OUTPUT_DIR),
    as_json: AsJson = False,
) -> int:
    """Download all files that prompts have made, to a folder for each, named by its note or the begin of its id.

    What is there already, by size and content, is skipped; nothing is replaced.

    Args:
        *prompt_ids: Ids of the prompts, as submit prints them.
        output_dir: Directory for the folders.
        as_json: Print JSON, with the field names of the tools.
    """
    directory = output_dir.expanduser().absolute()
    prompts = [(prompt_id, "") for prompt_id in prompt_ids]
    return with_comfyui(lambda comfyui: downloading.download(comfyui, prompts, directory, as_json=as_json))
