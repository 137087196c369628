"""What tests of downloads share: a downloader for one simulator, and the simulator's word on what there is."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp_background_job.comfyui.outputs.download import Downloaded, Downloader
from mcp_background_job.comfyui.prompts.graphs import workflow
from mcp_background_job.registry.database import Database
from mcp_background_job.registry.downloads import SqliteDownloads
from mcp_background_job.registry.journal import JOURNAL
from tests.comfyui.prompts.cancel_support import QUICK, Control, control_of
from tests.comfyui_simulator.nodes.graphs import Graph
from tests.comfyui_simulator.process import Simulator
from tests.patience import PATIENCE_S


@dataclass
class Site:
    """A simulator, a downloader for it, and a directory to download to."""

    simulator: Simulator
    control: Control
    downloader: Downloader
    downloads: SqliteDownloads
    directory: Path

    async def run(self, graph: Graph, note: str = "") -> str:
        """Have a prompt run to its end; returns its id."""
        submitted = await self.control.submitter.submit(workflow.of_api(graph), note=note, wait_s=PATIENCE_S)
        assert submitted.prompt is not None, submitted.refused
        assert submitted.prompt.finished is not None, submitted.prompt
        return submitted.prompt_id

    async def download(self, *prompt_ids: str, **options: Any) -> Downloaded:
        return await self.downloader.download([(one, "") for one in prompt_ids], self.directory, **options)

    def tree(self) -> dict[str, bytes]:
        """Return all files of the directory, hidden ones too."""
        files = [path for path in self.directory.rglob("*") if not path.is_dir() or path.is_symlink()]
        return {str(path.relative_to(self.directory)): path.read_bytes() for path in sorted(files)}


@contextlib.asynccontextmanager
async def site_of(tmp_path: Path, *flags: str) -> AsyncGenerator[Site]:
    """Start a simulator, with a downloader for it."""
    with await asyncio.to_thread(Simulator.start, *QUICK, *flags) as simulator:
        async with site_at(simulator, tmp_path) as site:
            yield site


@contextlib.asynccontextmanager
async def site_at(simulator: Simulator, tmp_path: Path) -> AsyncGenerator[Site]:
    """Download from a simulator that is there."""
    database = Database(str(tmp_path / "comfyui.sqlite3"), JOURNAL)
    downloads = SqliteDownloads(database)
    async with control_of(simulator.port, tmp_path) as control:
        downloader = Downloader(control.client, control.prompts, downloads)
        yield Site(simulator, control, downloader, downloads, tmp_path / "out")
    database.close()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
