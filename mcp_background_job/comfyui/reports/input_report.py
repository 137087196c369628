"""The report on uploads."""

from __future__ import annotations

from collections.abc import Sequence

from mcp_background_job.comfyui.prompts.uploads import Uploaded
from mcp_background_job.comfyui.reports.report import Report, without_none
from mcp_background_job.core.text import shortened

#: Files that are listed one by one.
_MAX_LISTED = 50

#: Characters of a missing file's name, which may be no name at all.
_NAME = 300


def of_uploads(uploaded: Sequence[Uploaded], *, left: int = 0, limit: int = _MAX_LISTED) -> Report:
    """Return the results of uploads: the names for workflows, or the reasons of failures.

    ``left``: how many files were not begun.
    """
    there = [one for one in uploaded if not one.trouble]
    missed = [one for one in uploaded if one.trouble]
    more = max(0, len(there) - limit)
    return without_none(
        status="incomplete" if missed or left else "uploaded",
        uploaded=sum(one.is_new for one in there),
        there_already=sum(not one.is_new for one in there),
        failed=len(missed),
        bytes=sum(one.size for one in there if one.is_new),
        names={str(one.path): one.name for one in there[:limit]} or None,
        more_names=more or None,
        left=left or None,
        note="call again for what is left; what is there is not sent again" if left else None,
        failures=[{"file": shortened(str(one.path), _NAME), "reason": one.trouble} for one in missed[:limit]] or None,
    )
