"""Says what to type where a sentence says which tool to call, or which argument to give. Pure.

Sentences about jobs, runs and ComfyUI are made for tools; whoever reads them at a terminal has commands and options.
"""

from __future__ import annotations

import re

PROGRAM = "mcp-background-job"

#: What to type instead of each tool.
COMMANDS = {
    "execute_command": "run",
    "wait_for_job": "wait",
    "get_job_status": "status",
    "tail_job_output": "logs",
    "get_job_output": "logs",
    "interact_with_job": "send",
    "kill_job": "kill",
    "restart_job": "restart",
    "list_jobs": "list",
    "comfyui_status": "comfyui status",
    "comfyui_submit": "comfyui submit",
    "comfyui_job": "comfyui job",
    "comfyui_cancel_job": "comfyui cancel",
    "comfyui_cancel_queued_job": "comfyui cancel --queued-only",
    "comfyui_batch": "comfyui batch",
    "comfyui_jobs": "comfyui jobs",
    "comfyui_errors": "comfyui errors",
    "comfyui_models": "comfyui models",
    "comfyui_nodes": "comfyui nodes",
    "comfyui_session": "comfyui session",
    "comfyui_clear_history": "comfyui clear-history",
    "comfyui_download": "comfyui download",
    "comfyui_free": "comfyui free",
    "comfyui_upload": "comfyui upload",
    "start_comfyui": "comfyui start",
    "stop_comfyui": "comfyui stop",
    "restart_comfyui": "comfyui restart",
    "spawn_run": "runs spawn",
    "get_run": "runs show",
    "poll_events": "runs events",
    "cancel_run": "runs cancel",
    "continue_run": "runs continue",
    "list_runs": "runs list",
    "get_event_artifact": "runs events",
}

#: What to type instead of an argument that is switched on, or off.
_SWITCHES = {
    "signal_only=true": "--signal-only",
    "signal_only=false": "--no-signal-only",
    "all_of_project=true": "--all",
    "all_projects=true": "--all-projects",
    "interrupt=true": "--interrupt",
    "force=true": "--force",
}

#: Arguments whose values sentences name; options are called alike, without the unit, but for those with a name of
#: their own.
OPTIONS = {
    name: f"--{name.removesuffix('_s').replace('_', '-')}"
    for name in (
        *(
            "combine",
            "expect",
            "fail_on",
            "grace_s",
            "grep",
            "if_running",
            "keep",
            "leftovers",
            "limit",
            "lines",
            "max_queued",
            "on",
        ),
        *("output_dir", "prompt_timeout_s", "requeue", "restart", "signal", "status", "stdin", "stream", "timeout_s"),
        *("until", "wait_s"),
    )
} | {"after_seq": "--after", "prompt_id": "--again"}

# What is quoted is somebody's own, such as the name of a job. Compiled when there is something to say.
_OWN = r"(?<![\w'\"`/-])"
_CALL = rf"{_OWN}({'|'.join(COMMANDS)})\b(?:\(([^()]*)\))?"
_SWITCH = rf"{_OWN}({'|'.join(_SWITCHES)})\b"
_OPTION = rf"{_OWN}({'|'.join(OPTIONS)})=(?:\"([^\"]*)\"|(?=\S))"
_POSITIONAL = r'(?<!=)"([^"]*)"'


def typed(text: str) -> str:
    """Return a sentence with commands and options in place of tools and arguments."""
    return _options(re.sub(_CALL, _command, text))


def _command(call: re.Match[str]) -> str:
    arguments = re.sub(_POSITIONAL, r"\1", _options(call[2] or "").replace(",", ""))
    return f"{PROGRAM} {COMMANDS[call[1]]} {arguments}".rstrip()


def _options(text: str) -> str:
    switched = re.sub(_SWITCH, lambda switch: _SWITCHES[switch[1]], text)
    return re.sub(_OPTION, _option, switched)


def _option(option: re.Match[str]) -> str:
    value = option[2] or ""
    # An option's value needs quotation marks where it is not a single word.
    quoted = option[2] is not None and [value] != value.split()
    return f'{OPTIONS[option[1]]} "{value}"' if quoted else f"{OPTIONS[option[1]]} {value}"
