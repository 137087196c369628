"""Says what to type where a sentence says which tool to call. Pure."""

from __future__ import annotations

import re

from mcp_background_job.cli.terminal import PROGRAM

#: What to type instead of each tool that sentences about ComfyUI name.
_COMMANDS = {
    "comfyui_status": "comfyui status",
    "comfyui_submit": "comfyui submit",
    "comfyui_job": "comfyui job",
    "comfyui_cancel_job": "comfyui cancel",
    "comfyui_cancel_queued_job": "comfyui cancel --queued-only",
    "comfyui_download": "comfyui download",
    "start_comfyui": "comfyui start",
    "stop_comfyui": "comfyui stop",
    "restart_comfyui": "comfyui restart",
    "get_job_status": "status",
    "kill_job": "kill",
    "tail_job_output": "logs",
    "wait_for_job": "wait",
}
_CALL = re.compile(rf"\b({'|'.join(_COMMANDS)})\b(?:\(([^()]*)\))?")
_FLAG = re.compile(r"\b(\w+)=true\b")
_OPTION = re.compile(r'\b(\w+)="([^"]*)"')
_POSITIONAL = re.compile(r'(?<!=)"([^"]*)"')


def typed(text: str) -> str:
    """Return a sentence with commands and options in place of tools and arguments."""
    return _options(_CALL.sub(_command, text))


def _command(call: re.Match[str]) -> str:
    arguments = _POSITIONAL.sub(r"\1", _options(call[2] or "").replace(",", ""))
    return f"{PROGRAM} {_COMMANDS[call[1]]} {arguments}".rstrip()


def _options(text: str) -> str:
    return _OPTION.sub(r"--\1 \2", _FLAG.sub(r"--\1", text))
