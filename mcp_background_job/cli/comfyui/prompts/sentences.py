"""One sentence for each report about a prompt. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp_background_job.cli.comfyui.words import note, since
from mcp_background_job.core.text import duration

if TYPE_CHECKING:  # it takes half a second to load, and top tells of jobs without it
    from mcp_background_job.comfyui.reports.report import Report


def of_prompt(report: Report) -> str:
    """Return how a prompt is doing, or how it ended; or why it was refused."""
    if report["status"] == "refused":
        return f"refused, {report['note']}: {report['error']}"
    return f"prompt {report['prompt_id']}{note(report)} {report['status']}{_how(report)}"


def _how(report: Report) -> str:
    error = report.get("error")
    if error:
        return f" at node {error['node']}: {error['type']}: {error['message']}"
    if "reason" in report:
        return f": {report['reason']}"
    if "position" in report:
        return f", {report['position']} before it" if report["position"] else ", the next"
    if "progress" in report:
        return f": {report['progress']}" + (" (as the log has it)" if report["progress_from"] == "log" else "")
    if "interrupted_at_node" in report:
        return f" at node {report['interrupted_at_node']}"
    return f" in {report['duration_s']:.1f} s" if "duration_s" in report else ""


def of_cancel(report: Report) -> str:
    """Return what became of a request to cancel."""
    prompt = f"prompt {report['prompt_id']}: " if "prompt_id" in report else ""
    wedge = f" ({report['wedge']})" if "wedge" in report else ""
    return f"{prompt}{report['status']}{wedge} after {report['took_s']} s"


def of_error(report: Report) -> str:
    """Return which prompt failed, and when."""
    batch = f" of batch {report['batch_id']}" if "batch_id" in report else ""
    ended = f" {duration(since(report['ended_at']))} ago" if "ended_at" in report else ""
    return f"prompt {report['prompt_id']}{note(report)}{batch} failed{ended}"
