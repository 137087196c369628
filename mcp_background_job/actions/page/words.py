"""Replaces the names of tools in a sentence by the buttons of a page. Pure.

Sentences about jobs, runs and ComfyUI are written for tools. If a page has no button for a tool, the command to type
stands in its place.
"""

from __future__ import annotations

import re
from typing import Any, cast

from mcp_background_job.actions.action import Facts

#: The place on a page, or the command, for each tool.
BUTTONS = {
    "execute_command": "mcp-background-job run",
    "wait_for_job": "its page",
    "get_job_status": "its page",
    "tail_job_output": "its log",
    "get_job_output": "its log",
    "interact_with_job": "its input",
    "kill_job": "“Stop”",
    "restart_job": "“Restart”",
    "list_jobs": "the page Jobs",
    "comfyui_status": "the page ComfyUI",
    "comfyui_submit": "its submission",
    "comfyui_job": "its page",
    "comfyui_cancel_job": "“Cancel”",
    "comfyui_cancel_queued_job": "“Cancel”",
    "comfyui_batch": "the buttons of the batch",
    "comfyui_jobs": "the list “Results”",
    "comfyui_errors": "the list “Results”",
    "comfyui_models": "mcp-background-job comfyui models",
    "comfyui_nodes": "mcp-background-job comfyui nodes",
    "comfyui_session": "“Session”",
    "comfyui_clear_history": "mcp-background-job comfyui clear-history --keep 0",
    "comfyui_download": "“Save”",
    "comfyui_free": "“Free memory”",
    "comfyui_upload": "mcp-background-job comfyui upload",
    "start_comfyui": "“Start ComfyUI”",
    "stop_comfyui": "mcp-background-job comfyui stop",
    "restart_comfyui": "“Restart ComfyUI…”",
    "spawn_run": "mcp-background-job runs spawn",
    "get_run": "its page",
    "poll_events": "its transcript",
    "cancel_run": "“Cancel”",
    "continue_run": "“Go on” on its page",
    "list_runs": "the page Runs",
    "get_event_artifact": "its transcript",
}

#: The button or option for each argument that a sentence names by itself.
_CHOICES = {
    'comfyui_submit(prompt_id="ID")': "mcp-background-job comfyui submit --again ID",
    'requeue="none"': "“submit nothing again”",
    'requeue="pending"': "“submit again what waits”",
    'requeue="all"': "“submit again all”",
    "interrupt=true": "“Cancel now”",
    "force=true": "--force",
}

# Quoted words, such as the name of a job, are not ours. Patterns are compiled when there is a sentence to change.
_OWN = r"(?<![\w'\"`/=-])"
_CALL = rf"{_OWN}({'|'.join(BUTTONS)})\b(?:\([^()]*\))?(?: with \w+=\w+)?"
_CHOICE = rf"{_OWN}({'|'.join(map(re.escape, _CHOICES))})"

# The options for starting a job become those of the command line: a page starts no jobs.
_OPTION = rf'{_OWN}(stdin|leftovers)="(\w+)"(?: or "(\w+)")?'


def pressed(sentence: str) -> str:
    """Return a sentence with buttons, or commands to type, in place of tools and their arguments."""
    chosen = re.sub(_CHOICE, lambda choice: _CHOICES[choice[1]], sentence)
    named = re.sub(_CALL, lambda call: BUTTONS[call[1]], chosen)
    return re.sub(_OPTION, _typed, named)


def _typed(option: re.Match[str]) -> str:
    name, value, other = option.groups()
    return f"--{name} {value}" + (f" or {other}" if other else "")


def on_page(facts: Facts, *names: str) -> Facts:
    """Return facts whose named fields, our own sentences or lists of them, are changed for a page.

    All other fields may be somebody else's words, and stay as they are.
    """
    return facts | {name: _said(facts[name]) for name in names if facts.get(name)}


def _said(value: Any) -> Any:
    if isinstance(value, str):
        return pressed(value)
    return [_said(one) for one in cast("list[Any]", value)] if isinstance(value, list) else value
