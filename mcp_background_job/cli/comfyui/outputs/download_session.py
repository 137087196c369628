"""``comfyui download-session``: what the prompts of a session have made."""

from __future__ import annotations

from pathlib import Path

from mcp_background_job.cli.arguments import AsJson
from mcp_background_job.cli.comfyui.outputs.download import download
from mcp_background_job.cli.comfyui.outputs.downloading import Kind, OutputDir
from mcp_background_job.config import DEFAULT_OUTPUT_DIR


def download_session(
    name: str | None = None,
    /,
    *,
    kind: Kind = "all",
    force: bool = False,
    output_dir: OutputDir = Path(DEFAULT_OUTPUT_DIR),
    as_json: AsJson = False,
) -> int:
    """Download all files that the prompts of a session have made, as download does.

    Args:
        name: Name or id of the session; without it, the current one.
        kind: output leaves out temporary files, such as previews.
        force: Download files that are there already, too, and keep those that are incomplete.
        output_dir: Directory for the folders.
        as_json: Print JSON, with the field names of the tools.
    """
    return download(session=name or "", kind=kind, force=force, output_dir=output_dir, as_json=as_json)
