"""What the tools for ComfyUI return: the reports about it, as answers."""

from __future__ import annotations

from pydantic import ConfigDict

from mcp_background_job.comfyui import report
from mcp_background_job.comfyui.cancel import Cancelled
from mcp_background_job.comfyui.lifecycle import Outcome
from mcp_background_job.comfyui.prompts import Prompt
from mcp_background_job.comfyui.status import Status
from mcp_background_job.comfyui.submit import Submitted
from mcp_background_job.server.results import Answer


class ComfyUIResult(Answer):
    """Anything about ComfyUI; the fields depend on the tool."""

    model_config = ConfigDict(extra="allow")


def status_result(status: Status) -> ComfyUIResult:
    """Return what a server does now."""
    return ComfyUIResult(**report.of_status(status))


def job_result(prompt: Prompt) -> ComfyUIResult:
    """Return what is known of a prompt."""
    return ComfyUIResult(**report.of_prompt(prompt))


def submit_result(submitted: Submitted) -> ComfyUIResult:
    """Return what became of a submission."""
    return ComfyUIResult(**report.of_submission(submitted))


def cancel_result(cancelled: Cancelled) -> ComfyUIResult:
    """Return what became of a request to cancel."""
    return ComfyUIResult(**report.of_cancel(cancelled))


def lifecycle_result(outcome: Outcome) -> ComfyUIResult:
    """Return what a start, stop or restart came to."""
    return ComfyUIResult(**report.of_lifecycle(outcome))
