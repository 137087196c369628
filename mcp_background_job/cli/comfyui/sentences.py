"""One sentence for each report about ComfyUI. Pure."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

from mcp_background_job.core.text import duration, size

if TYPE_CHECKING:  # it takes half a second to load, and lists of jobs and runs tell times too
    from mcp_background_job.comfyui.reports.report import Report


def of_status(report: Report) -> str:
    """Return whether a server answers, and how much it has to do."""
    if not report["reachable"]:
        return f"unreachable ({report.get('why', 'unknown')}): {report['detail']}"
    pending = len(report["pending"]) + report.get("more_pending", 0)
    return (
        f"ComfyUI {report['version']} answers at {report['url']}: {len(report['running'])} running, {pending} pending"
    )


def of_prompt(report: Report) -> str:
    """Return how a prompt is doing, or how it ended; or why it was refused."""
    if report["status"] == "refused":
        return f"refused, {report['note']}: {report['error']}"
    return f"prompt {report['prompt_id']}{_note(report)} {report['status']}{_how(report)}"


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


def of_download(report: Report) -> str:
    """Return what came of a download."""
    if report["status"] == "unreachable" and not report["written"]:
        return f"unreachable ({report['why']}): {report['detail']}"
    return _transferred(report, "downloaded", new="written", there="skipped", to=f" to {report['directory']}")


def of_upload(report: Report) -> str:
    """Return what came of uploads."""
    return _transferred(report, "uploaded", new="uploaded", there="there_already")


def _transferred(report: Report, done: str, *, new: str, there: str, to: str = "") -> str:
    """Return how many files were moved; ``new`` and ``there`` are the report's words for those moved and not."""
    files = f"{_files(report[new])} ({size(report['bytes'])})" if report[new] else "nothing"
    parts = [f"{files} {done}{to}"]
    if report[there]:
        parts.append(f"{report[there]} there already")
    if report["failed"]:
        parts.append(f"{report['failed']} not {done}")
    return ", ".join(parts)


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def of_lifecycle(report: Report) -> str:
    """Return what a start, stop or restart came to."""
    parts = [f"{name.replace('_', ' ')} {report[name]}" for name in ("pid", "old_pid", "job_id") if name in report]
    return f"ComfyUI {report['status']} after {report['took_s']} s" + (f" ({', '.join(parts)})" if parts else "")


def of_batch(report: Report) -> str:
    """Return how a batch is doing, or how it ended."""
    counts = report["counts"]
    over = counts["succeeded"] + counts["failed"] + counts["canceled"]
    parts = [f"{over} of {report['total']} done"]
    parts += [f"{counts[state]} {state}" for state in ("failed", "canceled", "running") if counts[state]]
    took = f" in {_between(report['created_at'], report['ended_at'])}" if "ended_at" in report else ""
    return f"batch {report['batch_id']}{_note(report)} {report['status']}{took}: {', '.join(parts)}"


def of_session(report: Report) -> str:
    """Return what a session is."""
    downloaded = f", {report['downloaded']} of them downloaded" if report.get("downloaded") else ""
    return f"session {report['name']} ({report['session_id']}), {report['prompts']} prompts{downloaded}"


def of_new_session(report: Report) -> str:
    """Return what came of a session that was begun."""
    return f"session {report['name']} ({report['session_id']}) begun: {report['detail']}"


def of_tracked(report: Report) -> str:
    """Return what came of a prompt that was to be tracked."""
    return (
        f"prompt {report['prompt_id']} is tracked in session {report['session']} ({report['session_id']}); "
        f"its status is {report['status']}"
    )


def of_cleared(report: Report) -> str:
    """Return what came of a history that was to be cleared."""
    if not report["removed"]:
        return f"nothing was removed: the history has {report['kept']} entries"
    return f"{report['removed']} entries removed from the history, {report['kept']} kept; {report['detail']}"


def of_error(report: Report) -> str:
    """Return which prompt failed, and when."""
    batch = f" of batch {report['batch_id']}" if "batch_id" in report else ""
    ended = f" {duration(since(report['ended_at']))} ago" if "ended_at" in report else ""
    return f"prompt {report['prompt_id']}{_note(report)}{batch} failed{ended}"


def since(moment: str) -> float:
    """Return how many seconds ago a moment of a report was."""
    return time.time() - datetime.fromisoformat(moment).timestamp()


def _note(report: Report) -> str:
    return f" “{report['note']}”" if "note" in report else ""


def _between(began: str, ended: str) -> str:
    return duration((datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds())
