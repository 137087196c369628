"""One sentence for each report about files that were moved. Pure."""

from __future__ import annotations

from mcp_background_job.comfyui.reports.report import Report
from mcp_background_job.core.text import size


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
