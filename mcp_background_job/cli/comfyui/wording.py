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
    "comfyui_batch": "comfyui batch",
    "comfyui_jobs": "comfyui jobs",
    "comfyui_errors": "comfyui errors",
    "comfyui_session": "comfyui session",
    "comfyui_clear_history": "comfyui clear-history",
    "comfyui_download": "comfyui download",
    "start_comfyui": "comfyui start",
    "stop_comfyui": "comfyui stop",
    "restart_comfyui": "comfyui restart",
    "get_job_status": "status",
    "kill_job": "kill",
    "tail_job_output": "logs",
    "wait_for_job": "wait",
}

#: What to type instead of arguments whose values sentences name.
_OPTIONS = {"max_queued": "--max-queued", "prompt_timeout_s": "--prompt-timeout"}
_CALL = re.compile(rf"\b({'|'.join(_COMMANDS)})\b(?:\(([^()]*)\))?")
_FLAG = re.compile(r"\b(\w+)=true\b")
_OPTION = re.compile(r'\b(\w+)="([^"]*)"')
_VALUE = re.compile(rf"\b({'|'.join(_OPTIONS)})=(?=\S)")
_POSITIONAL = re.compile(r'(?<!=)"([^"]*)"')


def typed(text: str) -> str:
    """Return a sentence with commands and options in place of tools and arguments."""
    return _options(_CALL.sub(_command, text))


def _command(call: re.Match[str]) -> str:
    arguments = _POSITIONAL.sub(r"\1", _options(call[2] or "").replace(",", ""))
    return f"{PROGRAM} {_COMMANDS[call[1]]} {arguments}".rstrip()


def _options(text: str) -> str:
    named = _VALUE.sub(lambda argument: f"{_OPTIONS[argument[1]]} ", text)
    return _OPTION.sub(r"--\1 \2", _FLAG.sub(r"--\1", named))
