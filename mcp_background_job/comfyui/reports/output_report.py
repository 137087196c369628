"""The report on a download, for tools and the terminal; a part of ``report``."""

from __future__ import annotations

import os
from typing import Any

from mcp_background_job.comfyui.outputs.download import Downloaded, Missed
from mcp_background_job.comfyui.reports.report import Report

#: The most files and reasons that are listed one by one; the counts include all.
_MAX_LISTED = 20


def of_download(downloaded: Downloaded, *, limit: int = _MAX_LISTED) -> Report:
    """Return the result of a download; paths are relative to its directory."""
    new = [file for file in downloaded.files if file.is_new]
    paths = sorted(os.path.relpath(file.path, downloaded.directory) for file in downloaded.files)
    facts: dict[str, Any] = {
        "status": status_of(downloaded),
        "why": downloaded.trouble.trouble if downloaded.trouble else None,
        "detail": str(downloaded.trouble) if downloaded.trouble else None,
        "directory": str(downloaded.directory),
        "written": len(new),
        "skipped": len(downloaded.files) - len(new),
        "failed": len(downloaded.missed),
        "broken": [_told(one) for one in downloaded.broken[:limit]] or None,
        "bytes": sum(file.size for file in new),
        "left": downloaded.left or None,
        "files": paths[:limit] or None,
        "more_files": max(0, len(paths) - limit) or None,
        "failures": [_told(missed) for missed in downloaded.missed[:limit]] or None,
        "more_failures": max(0, len(downloaded.missed) - limit) or None,
        "without_outputs": downloaded.empty[:limit] or None,
        "note": "call again for what is left; what is there is skipped" if downloaded.left else None,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _told(missed: Missed) -> dict[str, str]:
    return {"prompt_id": missed.prompt_id, **({"file": missed.name} if missed.name else {}), "reason": missed.reason}


def status_of(downloaded: Downloaded) -> str:
    """Return downloaded (all of it), incomplete, not_found (the prompts are unknown) or unreachable."""
    if downloaded.trouble:
        return "unreachable"
    if downloaded.unknown and len(downloaded.unknown) == len(downloaded.missed) and not downloaded.files:
        return "not_found"
    return "incomplete" if downloaded.missed or downloaded.left or downloaded.broken else "downloaded"
