"""All that pages can have downloaded, in one table."""

from __future__ import annotations

from typing import Any

from mcp_background_job.actions.page.download import Downloadable
from mcp_background_job.actions.page.house import House


def page_downloads(house: House) -> list[Downloadable[Any]]:  # noqa: ARG001  the pages' own downloads come here
    """Return all downloads."""
    return []
