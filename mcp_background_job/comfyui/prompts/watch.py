"""Gathers evidence about a server while one of its prompts is being cancelled."""

from __future__ import annotations

import time
from dataclasses import replace

from mcp_background_job.comfyui.process.activity_window import SHORTEST_S, WINDOW_S, ActivityWindow
from mcp_background_job.comfyui.process.job_life import JobLife
from mcp_background_job.comfyui.process.process import Baselines, ServerProcess, worker_gone
from mcp_background_job.comfyui.prompts.cancel_plan import Place
from mcp_background_job.comfyui.prompts.prompts import Located
from mcp_background_job.comfyui.prompts.wedge import Evidence
from mcp_background_job.comfyui.wire.answers import LogEntry
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.comfyui.wire.events import EventStream
from mcp_background_job.comfyui.wire.progress import of_log
from mcp_background_job.errors import UnreachableError
from mcp_background_job.executors import lanes
from mcp_background_job.processes.threads import Activity

#: Seconds between two looks; the log is some kilobytes.
_EVIDENCE_S = SHORTEST_S

#: States of a process that a signal has stopped.
_SUSPENDED = ("T", "t")


class Watch:
    """The observations of the server during a cancel."""

    def __init__(self, client: Client, baselines: Baselines, events: EventStream, life: JobLife | None = None) -> None:
        """Takes its parts; ``life`` is that of the job on another machine as which the server runs."""
        self._life = life
        self._client = client
        self._baselines = baselines
        self._events = events
        self._process: ServerProcess | None = None
        self._window = ActivityWindow()
        self._step: tuple[float, int] | None = None
        self._moved_at: float | None = None
        self._looked_at = 0.0
        #: When the prompt was submitted, from the journal: old servers do not report it.
        self.submitted_at: float | None = None
        self.evidence = Evidence(watched_s=0.0, is_far=life is not None)

    async def begin(self) -> None:
        """Find the process, and take the first look at it."""
        self._process = await lanes.scan(ServerProcess.find, self._client.endpoint)
        self._window.add(time.monotonic(), await self._activity())
        is_hidden = self._process is None and self._life is None
        self.evidence = replace(self.evidence, is_hidden=is_hidden)
        if self._life is not None:
            await self._life.cpu_share()

    @property
    def pid(self) -> int | None:
        """The process that served at the beginning, if it can be seen."""
        return self._process.pid if self._process else None

    async def process_gone(self) -> bool | None:
        """Tell whether the process that served at the beginning is gone; ``None`` if that is unknown."""
        if self._life is not None:
            return await self._life.is_over()
        return None if self._process is None else not await lanes.look(self._process.is_alive)

    async def look(self, now: float, prompt_id: str, located: Located | None) -> None:
        """Update the evidence: at once if there is no answer, else from time to time."""
        if located and (located.place is not Place.RUNNING or now - self._looked_at < _EVIDENCE_S):
            return
        self._looked_at = now
        activity = await self._activity()
        self._window.add(now, activity)
        idle = self._window.idle()
        log = await self._log() if located else []
        self._note_progress(now, prompt_id, log)
        self.evidence = replace(
            self.evidence,
            watched_s=self._window.over_s,
            cpu_share=self._window.cpu_share(),
            all_idle=idle,
            is_suspended=activity is not None and activity.state in _SUSPENDED,
            worker_gone=await self._worker_gone(prompt_id, located, idle=idle),
            logged_death=_has_worker_death(log),
            progress_moved=self._moved_at is not None and now - self._moved_at < WINDOW_S,
        )
        if self._life is not None and (share := await self._life.cpu_share()) is not None:
            used, over_s = share
            self.evidence = replace(self.evidence, cpu_share=used, watched_s=over_s)

    async def _activity(self) -> Activity | None:
        return await lanes.scan(self._process.activity) if self._process else None

    async def _log(self) -> list[LogEntry]:
        try:
            return await self._client.log()
        except UnreachableError:  # without a log there is less evidence
            return []

    async def _worker_gone(self, prompt_id: str, located: Located | None, *, idle: bool | None) -> bool | None:
        if self._process is None or located is None or located.queue is None:
            return None
        item = located.queue.find(prompt_id)
        since = (item.created_at if item else None) or self.submitted_at
        baseline = await lanes.look(self._baselines.get, self._client.endpoint.port)
        return await lanes.look(worker_gone, self._process, baseline, running_since=since, idle=idle)

    def _note_progress(self, now: float, prompt_id: str, log: list[LogEntry]) -> None:
        heard = self._events.progress_of(prompt_id) or of_log(log)
        step = (heard.step, heard.finished) if heard else None
        if self._step is not None and step != self._step:
            self._moved_at = now
        self._step = step or self._step


def _has_worker_death(log: list[LogEntry]) -> bool:
    return any("Exception in thread" in entry.text and "prompt_worker" in entry.text for entry in log)
