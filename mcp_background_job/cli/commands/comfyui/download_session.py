"""``comfyui download-session``: what the prompts of a session have made."""

from __future__ import annotations

from pathlib import Path

from mcp_background_job.cli.arguments import AsJson
from mcp_background_job.cli.comfyui import downloading
from mcp_background_job.cli.comfyui.downloading import OutputDir
from mcp_background_job.cli.comfyui.session import with_comfyui
from mcp_background_job.cli.session import caller
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.prompts.catalogue import Among
from mcp_background_job.config import DEFAULT_OUTPUT_DIR
from mcp_background_job.core.text import expanded


def download_session(
    name: str | None = None, /, *, output_dir: OutputDir = Path(DEFAULT_OUTPUT_DIR), as_json: AsJson = False
) -> int:
    """Download all files that the prompts of a session have made, as download does.

    Args:
        name: Name or id of the session; without it, the current one.
        output_dir: Directory for the folders.
        as_json: Print JSON, with the field names of the tools.
    """
    directory = Path(expanded(str(output_dir))).absolute()
    return with_comfyui(lambda comfyui: _download(comfyui, name, directory, as_json=as_json))


async def _download(comfyui: ComfyUI, name: str | None, directory: Path, *, as_json: bool) -> int:
    session = await comfyui.sessions.find(name, caller().directory)
    prompts = await comfyui.catalogue.ids(Among(session_id=session.session_id))
    return await downloading.download(comfyui, prompts, directory, as_json=as_json)
