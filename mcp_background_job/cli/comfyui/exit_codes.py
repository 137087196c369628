"""What the commands for ComfyUI exit with."""

from __future__ import annotations

from mcp_background_job.cli.exit_codes import (
    FAILED,
    NOT_FOUND,
    OK,
    REFUSED,
    STOPPED,
    TIMED_OUT,
    TROUBLE,
    UNMET,
    UNREACHABLE,
    WEDGED,
)

#: What each code says.
TABLE = {
    "0": "The command did what it was asked to. `job`, `batch`, `submit --wait` and `--follow`: the render or all of "
    "the batch completed. `cancel`: the render is over, or nothing more of the batch is sent.",
    "1": "Not all was done: a running prompt was left alone, stays in the queue, or was not submitted again. "
    "`download` and `upload`: a file is missing. `stop` and `restart`: a process of ComfyUI is alive.",
    "2": "The usage is wrong, or an argument, a workflow or a setting cannot be used.",
    "3": "The render failed, or some of the batch did.",
    "4": "`job`, `batch` and `submit`: the render or the batch was cancelled, or a restart lost the render.",
    "5": "`cancel` and `batch cancel`: ComfyUI is wedged, and only a restart stops the render.",
    "6": "ComfyUI is unreachable, or died meanwhile. Its queue is unknown.",
    "7": "ComfyUI or this program refused: nothing was submitted, or nothing was ended.",
    "8": "There is no such prompt, batch or session, or no prompt runs.",
    "124": "`--wait` ran out. The render or the batch goes on, or ComfyUI is not ready yet.",
    "125": "An internal error; or ComfyUI ended while it started.",
    "130": "Ctrl-C ended the command. A render or a batch that was followed goes on.",
    "141": "Nobody reads the output any more.",
}

_OF_PROMPT = {
    "completed": OK,
    "pending": OK,
    "in_progress": OK,
    "failed": FAILED,
    "cancelled": STOPPED,
    "lost_to_restart": STOPPED,
    "not_sent": REFUSED,
    "refused": REFUSED,
}
_OF_CANCEL = {
    "cancelled": OK,
    "finished_before_cancel": OK,
    "failed": FAILED,
    "wedged": WEDGED,
    "server_died": UNREACHABLE,
    "unreachable": UNREACHABLE,
    "not_found": NOT_FOUND,
    "nothing_running": NOT_FOUND,
    "running": UNMET,
    "pending": UNMET,
}
_OF_BATCH = {
    "pending": OK,
    "running": OK,
    "paused": OK,
    "canceling": OK,
    "succeeded": OK,
    "failed": FAILED,
    "canceled": STOPPED,
}
_OF_LIFECYCLE = {
    "started": OK,
    "already_running": OK,
    "restarted": OK,
    "stopped": OK,
    "not_running": OK,
    "starting": TIMED_OUT,
    "queued": TIMED_OUT,
    "requested": TIMED_OUT,
    "failed": TROUBLE,
}
_OF_TRANSFER = {
    "downloaded": OK,
    "uploaded": OK,
    "incomplete": UNMET,
    "unreachable": UNREACHABLE,
    "not_found": NOT_FOUND,
}


def of_prompt(status: str, reason: str) -> int:
    """Return the exit code for how a prompt is doing, or ended."""
    if status == "unknown":
        return UNREACHABLE if reason.startswith("unreachable") else NOT_FOUND
    return _OF_PROMPT[status]


def of_cancel(status: str) -> int:
    """Return the exit code for what became of a request to cancel a prompt."""
    return _OF_CANCEL[status]


def of_batch(status: str) -> int:
    """Return the exit code for how a batch is doing, or ended."""
    return _OF_BATCH[status]


def of_lifecycle(status: str) -> int:
    """Return the exit code for what a start, stop or restart of ComfyUI came to."""
    return _OF_LIFECYCLE[status]


def of_transfer(status: str) -> int:
    """Return the exit code for what came of a download of outputs, or an upload of inputs."""
    return _OF_TRANSFER[status]
