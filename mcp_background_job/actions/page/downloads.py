"""All downloads for pages, in one table."""

from __future__ import annotations

from typing import Any

from mcp_background_job.actions.house import House
from mcp_background_job.actions.page.download import Downloadable
from mcp_background_job.actions.page.gallery import file_download
from mcp_background_job.actions.page.jobs.log import log_download


def page_downloads(house: House) -> list[Downloadable[Any]]:
    """Return all downloads."""
    return [log_download(house.manager), file_download(house.comfyui)]
