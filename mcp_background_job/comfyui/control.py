"""The parts of the control of one ComfyUI, put together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mcp_background_job.comfyui.cancel import Canceller
from mcp_background_job.comfyui.client import Client
from mcp_background_job.comfyui.download import Downloader
from mcp_background_job.comfyui.endpoint import Endpoint
from mcp_background_job.comfyui.events import EventStream
from mcp_background_job.comfyui.lifecycle import Lifecycle
from mcp_background_job.comfyui.process import Baselines
from mcp_background_job.comfyui.prompts import Prompts
from mcp_background_job.comfyui.server_record import ServerRecords
from mcp_background_job.comfyui.startup import Settings
from mcp_background_job.comfyui.status import Status, status_of
from mcp_background_job.comfyui.submit import Submitter
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.registry.downloads import SqliteDownloads
from mcp_background_job.registry.journal_base import Journal


class ComfyUI:
    """One server: what it does, its prompts, and its process."""

    def __init__(
        self,
        endpoint: Endpoint,
        journal: Journal,
        manager: JobManager,
        directory: Path,
        settings: Settings,
        *,
        downloads: SqliteDownloads,
        output_root: Path,
    ) -> None:
        """Takes its parts; see ``app.build_comfyui``.

        Files about the server's process are kept in the directory; whoever may not choose freely downloads below the
        output root.
        """
        self.endpoint = endpoint
        self.output_root = output_root
        self._downloads = downloads
        self._client = Client(endpoint)
        self._journal = journal
        self._events = EventStream(endpoint)
        self._baselines = Baselines(directory)
        self.prompts = Prompts(self._client, journal, self._events)
        self._events.when_over(self.prompts.get)
        self.submitter = Submitter(self._client, journal, self._events, self.prompts, self._baselines)
        self.downloader = Downloader(self._client, self.prompts, downloads)
        self.canceller = Canceller(self._client, journal, self._events, self.prompts, self._baselines)
        self.lifecycle = Lifecycle(
            self._client,
            journal,
            self.submitter,
            manager,
            records=ServerRecords(directory),
            baselines=self._baselines,
            settings=settings,
            lock_path=str(directory / f"lifecycle-{endpoint.port}.lock"),
        )

    async def status(self) -> Status:
        """Look at the server; prompts that an earlier restart left to be submitted again are submitted."""
        status = await self._look()
        if status.trouble is None and await self.lifecycle.resume_requeue():
            status = await self._look()
        return replace(status, job=await self.lifecycle.last_job(status.process))

    async def _look(self) -> Status:
        return await status_of(self._client, self._journal, self.prompts, self._baselines)

    async def close(self) -> None:
        """Let go of all connections and of the journal; server and prompts go on."""
        await self.lifecycle.close()
        await self._events.close_for_good()
        await self._client.close()
        self._downloads.close()
        self._journal.close()
