"""The control of one ComfyUI, put together from its parts."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import replace
from pathlib import Path

from mcp_background_job.comfyui.batches.batch_locks import BatchLocks
from mcp_background_job.comfyui.batches.batches import Batches
from mcp_background_job.comfyui.batches.feeder import Feeder, Parts
from mcp_background_job.comfyui.batches.feeder_job import FeederJobs, name_of, request_of
from mcp_background_job.comfyui.batches.members import Members
from mcp_background_job.comfyui.batches.sent import Say
from mcp_background_job.comfyui.batches.server_queue import ServerQueue
from mcp_background_job.comfyui.lifecycle.lifecycle import Lifecycle
from mcp_background_job.comfyui.lifecycle.on_nodes import NodeLifecycle, NodeServers
from mcp_background_job.comfyui.live.files import LiveFiles
from mcp_background_job.comfyui.live.sharing import Sharing
from mcp_background_job.comfyui.outputs.download import ALL, Choice, Downloaded, Downloader, Headway
from mcp_background_job.comfyui.outputs.pictures import Pictures
from mcp_background_job.comfyui.process.gpu_memory import NOTHING_KNOWN, GpuLook, GpuMemory
from mcp_background_job.comfyui.process.job_life import JobLife
from mcp_background_job.comfyui.process.process import Baselines, ServerProcess
from mcp_background_job.comfyui.process.server_record import ServerRecords
from mcp_background_job.comfyui.process.startup import Settings
from mcp_background_job.comfyui.prompts import freeing, signs
from mcp_background_job.comfyui.prompts.cancel import Cancelled, Canceller
from mcp_background_job.comfyui.prompts.catalogue import Among, Catalogue
from mcp_background_job.comfyui.prompts.conversion import Converter
from mcp_background_job.comfyui.prompts.freeing import Freed
from mcp_background_job.comfyui.prompts.history import History
from mcp_background_job.comfyui.prompts.inputs import Inputs
from mcp_background_job.comfyui.prompts.inventory import Inventory
from mcp_background_job.comfyui.prompts.node_names import NodeNames
from mcp_background_job.comfyui.prompts.prompts import Prompt, Prompts
from mcp_background_job.comfyui.prompts.queue_memory import QueueMemory
from mcp_background_job.comfyui.prompts.server_end import ServerEnds
from mcp_background_job.comfyui.prompts.submit import Submitter
from mcp_background_job.comfyui.prompts.uploads import Uploads
from mcp_background_job.comfyui.prompts.witness import RAN, Witness
from mcp_background_job.comfyui.reports.status import Status, status_of
from mcp_background_job.comfyui.sessions.sessions import Sessions
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.comfyui.wire.endpoint import Endpoint, job_named
from mcp_background_job.comfyui.wire.events import EventStream
from mcp_background_job.comfyui.wire.queue_events import QueueEvents
from mcp_background_job.comfyui.wire.trouble import Trouble
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.executors import lanes, locks
from mcp_background_job.executors.forward import Forward
from mcp_background_job.jobdir import lock
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.registry.attempts import SqliteAttempts
from mcp_background_job.registry.batches import SqliteBatches
from mcp_background_job.registry.downloads import SqliteDownloads
from mcp_background_job.registry.ends import SqliteEnds
from mcp_background_job.registry.journal import SqliteJournal
from mcp_background_job.registry.pools import SqlitePools
from mcp_background_job.registry.seen import SqliteSeen
from mcp_background_job.registry.servers import SqliteServers
from mcp_background_job.registry.sessions import SqliteSessions
from mcp_background_job.registry.uploads import SqliteUploads

#: Entries of the server's log that are shown.
_LOG_LINES = 40

#: Seconds between two looks whether another feeder has died, which no event reports.
_TURN_LOOK_S = 0.5

#: Seconds for which a feeder waits for a restart that another process carries out; afterwards it goes on waiting.
_RESTART_S = 40.0


#: Prompts without a known end that a status asks for; each takes the server milliseconds.
_LOOKED_AT = 10

#: Seconds for which a status reports a crash that is over.
_CRASH_IS_NEWS_S = 3600.0


def _no_other(_name: str) -> ComfyUI | None:
    return None


class ComfyUI:
    """One server: its state, its prompts, and its process."""

    def __init__(
        self,
        endpoint: Endpoint,
        journal: SqliteJournal,
        manager: JobManager,
        directory: Path,
        settings: Settings,
        *,
        output_root: Path,
        pool: str = "",
        other: Callable[[str], ComfyUI | None] = _no_other,
        owns_journal: bool = True,
        named: tuple[str, ...] = (),
        forward: Forward | None = None,
    ) -> None:
        """Takes its parts; see ``app.build_comfyui``.

        Args:
            endpoint: the server.
            journal: the journal of everything that is submitted.
            manager: starts jobs.
            directory: the directory for files about the server's process.
            settings: say how to start it.
            output_root: callers that may not choose freely download below it.
            pool: the name of the pool whose first member it is; without one there is no other server.
            other: returns the control of another member by its name, over the same journal.
            owns_journal: whether closing it closes the journal too.
            named: the members of the pool that the settings name.
            forward: the port that leads to it, if it is a job on another machine.
        """
        self.endpoint = endpoint
        self._manager = manager
        self._owns_journal = owns_journal
        self._forward = forward
        self.output_root = output_root
        self._directory = directory
        self.client = Client(endpoint)
        self._batches = SqliteBatches(journal.database)
        self._servers = SqliteServers(journal.database)
        sessions = SqliteSessions(journal.database)
        self._journal = journal
        memory = QueueMemory(endpoint, SqliteSeen(journal.database))
        self.client.when_seen(memory.note)
        self._events = EventStream(endpoint)
        self.live = LiveFiles(directory / "live")
        self._sharing = Sharing(self.live)
        self._events.when_moved(self._sharing.note)
        self._baselines = Baselines(directory)
        self._gpus = GpuLook()
        self._attempts = SqliteAttempts(journal.database)
        self._server_ends = ServerEnds(manager)
        self._witness = Witness(self._attempts, journal, self._server_ends)
        self.prompts = Prompts(self.client, journal, self._events)
        self.prompts.tell(self._witness)
        self._events.when_over(self.prompts.get)
        self.node_names = NodeNames(self.prompts)
        self.pictures = Pictures(endpoint, journal, self.prompts)
        self.converter = Converter(self.client)
        self.inventory = Inventory(self.client)
        self.uploads = Uploads(endpoint, SqliteUploads(journal.database))
        self._pools = SqlitePools(journal.database)
        self.inputs = Inputs(self.prompts, self.uploads, self._batches.prompt_at, endpoint, shares=self._pools.share)
        self.submitter = Submitter(
            self.client, journal, self._events, self.prompts, self._baselines, inputs=self.inputs
        )
        self.submitter.heed(self._servers)
        self.downloader = Downloader(self.client, self.prompts, SqliteDownloads(journal.database))
        self.canceller = Canceller(self.client, journal, self._events, self.prompts, self._baselines)
        lifecycle = NodeLifecycle if endpoint.job_id else Lifecycle
        self.lifecycle = lifecycle(
            self.client,
            journal,
            self._attempts,
            self.submitter,
            manager,
            batches=self._batches,
            records=ServerRecords(directory),
            baselines=self._baselines,
            memory=memory,
            settings=settings,
            lock_path=str(directory / f"lifecycle-{endpoint.file_key}.lock"),
        )
        self.nodes = NodeServers(manager, self._pools, settings, pool=pool, named=named, reach=self._reach)
        self._be_job()
        self.feeders = FeederJobs(manager, self._batches, self._servers, endpoint)
        # Only the home knows the others: each of them would make all others again.
        self.members = Members(self, self._pools, name=pool if owns_journal else "", make=other, is_over=self._is_over)
        self.batches = Batches(
            client=self.client,
            members=self.members,
            batches=self._batches,
            servers=self._servers,
            pools=self._pools,
            journal=journal,
            ends=SqliteEnds(journal.database),
            prompts=self.prompts,
            feeders=self.feeders,
            manager=manager,
        )
        self.submitter.watched_by(self.batches.ends.watch)
        self.queue = ServerQueue(
            client=self.client,
            journal=journal,
            batches=self._batches,
            servers=self._servers,
            events=self._events,
            submitter=self.submitter,
            feeders=self.feeders,
            alone=self.lifecycle.alone,
        )
        self._listed = sessions
        self.sessions = Sessions(sessions)
        self.catalogue = Catalogue(self.client, journal, sessions, self.prompts)
        self.history = History(self.client, journal, self.prompts)

    def _be_job(self) -> None:
        """Tell all parts that the server is a job on another machine, if it is."""
        if isinstance(self.lifecycle, NodeLifecycle):
            job_id = self.endpoint.job_id
            self.lifecycle.on_node(job_id, self.nodes, self._pools)
            self.prompts.runs_as(JobLife(self._manager, job_id))
            self.canceller.runs_as(lambda: JobLife(self._manager, job_id))

    async def begin(self) -> None:
        """Get ready for requests."""
        if self._forward is not None:
            await self._forward.start()

    async def _is_over(self, name: str) -> bool:
        """Tell whether the server of a name was a job that has ended."""
        job_id = job_named(name)
        return bool(job_id) and await JobLife(self._manager, job_id).is_over() is not False

    async def _reach(self, name: str) -> None:
        for one in await self.members.of(name):
            await one.client.stats()

    async def status(self) -> Status:
        """Look at the server; prompts that an earlier restart left to be submitted again are submitted."""
        status, gpu_memory = await asyncio.gather(self._resumed(), self._gpu_memory())
        job = await self.lifecycle.last_job(status.process)
        return replace(
            status,
            job=job,
            batches=tuple(await self.batches.open_views()),
            crash=await self._crash(status),
            gpu_memory=gpu_memory,
        )

    async def _resumed(self) -> Status:
        status = await self._look()
        if status.trouble is None and await self.lifecycle.resume_requeue():
            status = await self._look()
        return status

    async def _gpu_memory(self) -> GpuMemory:
        return await self._gpus.look() if self.endpoint.is_local else NOTHING_KNOWN

    async def _crash(self, status: Status) -> str:
        """Say which prompt ran when the server ended by itself, if that was recent."""
        if status.trouble is not None and status.trouble.trouble == Trouble.REFUSED:
            for entry in status.unfinished:
                if ran := await self._witness.seems_to_have_run(entry):
                    return f"prompt {entry.prompt_id}: {ran}"
        if status.trouble is None:
            await self._note_ends(status)
        elif self.endpoint.job_id:  # if its job is over, so are all its prompts
            for entry in status.unfinished:
                await self.prompts.get(entry.prompt_id)
        last = await self._witness.last_crash(self.endpoint.url)
        if last is None or time.time() - (last[0].ended_at or 0.0) > _CRASH_IS_NEWS_S:
            return ""
        return f"prompt {last[0].prompt_id}: {RAN}: {last[1].text}"

    async def _note_ends(self, status: Status) -> None:
        """Find out what became of sent prompts that are not in the queue: a restart may have lost them."""
        there = {prompt.prompt_id for prompt in (*status.running, *status.pending)}
        own = self.endpoint.url
        sent = await lanes.journal(
            self._listed.prompts, own, statuses=("open",), batch_id=None, session_id=None, limit=_LOOKED_AT
        )
        for one in sent:
            # Prompts of batches are their feeder's responsibility.
            if one.is_ours and one.batch_id is None and one.prompt_id not in there:
                await self.prompts.get(one.prompt_id)

    async def cancel(
        self, prompt_id: str | None, *, by: str, clear_pending: bool = False, pending_only: bool = False
    ) -> Cancelled:
        """Cancel as ``Canceller.cancel`` does; together with pending prompts, those not sent yet are canceled too."""
        if pending_only and (prompt_id is not None or clear_pending):
            raise InvalidRequestError(
                "pending_only leaves the running prompt alone: give neither prompt_id nor clear_pending"
            )
        if not clear_pending and not pending_only:
            cancelled = await self.canceller.cancel(prompt_id)
            await self.batches.ends.see_to()
            return cancelled
        # First: otherwise the feeder would fill the queue again.
        batches, unsent = await self.queue.cancel_waiting(by=by)
        cancelled = await self.canceller.cancel(prompt_id, clear_pending=clear_pending, pending_only=pending_only)
        await self.batches.ends.see_to()
        return replace(cancelled, batches=batches, unsent=unsent)

    @contextlib.asynccontextmanager
    async def watching_queue(self) -> AsyncGenerator[QueueEvents]:
        """Listen to changes of the server's queue within the context."""
        events = QueueEvents(self.endpoint)
        async with events.listening():
            yield events

    async def free(self) -> Freed:
        """Unload models and free memory, see ``freeing.free``."""
        return await freeing.free(self.client)

    async def log(self) -> list[str]:
        """Return the newest lines of the server's own log, oldest first."""
        return [entry.text for entry in (await self.client.log())[-_LOG_LINES:]]

    async def warnings(self, prompt: Prompt) -> tuple[str, ...]:
        """Return signs of trouble with a running prompt, in sentences."""
        process = await lanes.scan(ServerProcess.find, self.endpoint)
        activity = await lanes.scan(process.activity) if process else None
        return signs.told(await signs.seen(process, activity, self._baselines, prompt, port=self.endpoint.port))

    async def among(self, session: str | None, batch: str | None, directory: str) -> Among:
        """Return the prompts of a session (an empty name means the current one), of a batch, or all.

        Raises:
            UnknownSessionError: there is no such session.
            UnknownBatchError: there is no such batch.
        """
        return Among(
            session_id=None if session is None else (await self.sessions.find(session, directory)).session_id,
            batch_id=(await self.batches.get(batch)).batch_id if batch else None,
        )

    async def download(
        self,
        prompts: Iterable[tuple[str, str]],
        directory: Path,
        *,
        report: Callable[[Headway], None],
        limit_s: float = math.inf,
        choice: Choice = ALL,
    ) -> Downloaded:
        """Download outputs as ``Downloader.download`` does, and note in the sessions which prompts are complete."""
        downloaded = await self.downloader.download(prompts, directory, report=report, limit_s=limit_s, choice=choice)
        if complete := downloaded.complete():
            # All at once: a session may have thousands, and each write waits for the disk.
            await self.sessions.note_downloads({prompt_id: str(folder) for prompt_id, folder in complete.items()})
        return downloaded

    async def feed(self, *, job_id: str | None, client: str, say: Say) -> None:
        """Feed the server until nothing is left to do; ``job_id`` is the job of this process, if it has one."""

        async def restart() -> bool:
            if job_id is None:
                await self.lifecycle.restart(client=client, force=True, requeue="pending", wait_s=_RESTART_S)
                return True
            outcome = await self.lifecycle.restart_after(job_id, client=client, wait_s=_RESTART_S)
            if outcome.status != "queued":
                return True
            successor = replace(request_of(self.endpoint.url, self.endpoint), if_running="new", after=(job_id,))
            await self._manager.start(successor, client=client)
            return False

        await self.begin()
        locks_of_batches = BatchLocks(self._directory)
        parts = Parts(
            client=self.client,
            batches=self._batches,
            servers=self._servers,
            pools=self._pools,
            attempts=self._attempts,
            server_ends=self._server_ends,
            journal=self._journal,
            events=self._events,
            prompts=self.prompts,
            witness=self._witness,
            submitter=self.submitter,
            canceller=self.canceller,
            locks=locks_of_batches,
            ends=self.batches.ends,
            restart=restart,
            resume=self.lifecycle.resume_requeue,
            say=say,
        )
        async with self._only_feeder(say):
            try:
                await Feeder(job_id or f"pid {os.getpid()}", parts).run()
            finally:
                locks_of_batches.close()

    @contextlib.asynccontextmanager
    async def _only_feeder(self, say: Say) -> AsyncGenerator[None]:
        """Feed the server as the only feeder, and take over when another one has died."""
        path = str(self._directory / f"{name_of(self.endpoint.url)}.lock")
        told = False
        while (descriptor := await lanes.hold(lambda: lock.acquire(path), locks.let_go)) is None:
            if not told:
                say(f"another feeder feeds {self.endpoint.url}: this one takes over if it dies")
            told = True
            await asyncio.sleep(_TURN_LOOK_S)
        try:
            yield
        finally:
            locks.let_go(descriptor)

    async def _look(self) -> Status:
        return await status_of(self.client, self._journal, self.prompts, self._baselines)

    async def close(self) -> None:
        """Close all connections and the journal; server and prompts go on."""
        await self.members.close()
        await self.lifecycle.close()
        await self._events.close_for_good()
        await self._sharing.close()
        await self.client.close()
        if self._forward is not None:
            await self._forward.close()
        if self._owns_journal:
            await lanes.journal(self._journal.close)
