"""Runs the user's command, MCP_BG_ON_END, at the ends of batches and of prompts without a batch.

The server's feeder runs it, since the feeder lives until all is over. Each command is a job of ours, which limits it
and keeps its output and outcome. The job also proves that the command was run. If the feeder dies before it has noted
that, its successor runs no command twice.
"""

from __future__ import annotations

import contextlib
import time

from mcp_background_job.comfyui.batches.feeder_job import FeederJobs
from mcp_background_job.comfyui.batches.feeder_plan import REASONS, Fate
from mcp_background_job.comfyui.batches.sent import Say
from mcp_background_job.comfyui.prompts.prompts import Prompts, of_journal
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.core.comfyui.batch import status_of
from mcp_background_job.core.comfyui.submission import End, Stage, Submission
from mcp_background_job.core.job import Job, how_it_ended
from mcp_background_job.core.naming import NO_PROJECT, Asker, of_no_project
from mcp_background_job.core.states import Outcome, State
from mcp_background_job.errors import BackgroundJobError, LaunchError, RegistryError, UnknownJobError
from mcp_background_job.executors import lanes
from mcp_background_job.jobdir.at_end import MAX_AT_ONCE, MAX_RUN_S, PREFIX
from mcp_background_job.jobdir.layout import EVENT_VARIABLE
from mcp_background_job.jobdir.records import SYSTEM
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import ROOT, StartRequest
from mcp_background_job.registry.batches import SqliteBatches
from mcp_background_job.registry.ends import DueEnd, SqliteEnds
from mcp_background_job.registry.journal_base import Journal
from mcp_background_job.registry.servers import SqliteServers

#: The limit that these jobs share.
_POOL = "on-end"

#: Seconds after which a sent prompt is in the queue, or its sender has died.
_SENT_S = 60.0

#: Characters of a batch's or prompt's note: each variable takes at most 128 kB.
_MAX_NOTE = 4000

#: The number of looks in a row after which a prompt missing from queue and history counts as removed from both.
_LOOKS = 3


class Ends:
    """The commands at the ends of batches and prompts on one server."""

    def __init__(
        self,
        *,
        client: Client,
        journal: Journal,
        batches: SqliteBatches,
        servers: SqliteServers,
        ends: SqliteEnds,
        prompts: Prompts,
        manager: JobManager,
        feeders: FeederJobs,
    ) -> None:
        """Takes its parts."""
        self._client = client
        self._server = client.endpoint.url
        self._journal = journal
        self._batches = batches
        self._servers = servers
        self._ends = ends
        self._prompts = prompts
        self._manager = manager
        self._feeders = feeders
        self._missed: dict[str, int] = {}

    # -- for the process that submits -------------------------------------------------------------------------------

    def wish(self, subject: str) -> None:
        """Record the command to run at the end of a new batch or prompt, if there is one.

        Call it in the lane of the journal.
        """
        if command := self._manager.on_end:
            self._ends.wish(subject, self._server, command)

    async def watch(self, prompt_id: str, client: str) -> None:
        """Make sure that a feeder will see the end of a prompt that is recorded and not sent yet.

        If no feeder can be found, the server's record notes it; the submission goes on.
        """
        if not self._manager.on_end:
            return
        await lanes.journal(self.wish, prompt_id)
        try:
            await self._feeders.note_kill(self._server, await self._feeders.newest(self._server))
            await self._feeders.start(self._server, client=client)
        except RegistryError:
            raise
        except BackgroundJobError as error:
            told = f"MCP_BG_ON_END is not run at the end of prompt {prompt_id} until a batch is submitted: {error}"
            await lanes.journal(self._servers.tell, self._server, told)

    async def see_to(self) -> None:
        """Make sure that the command is run for work that has just ended without a feeder."""
        if await lanes.journal(self._ends.due, self._server):
            with contextlib.suppress(LaunchError):  # the next look tries again
                await self._feeders.ensure(self._server)

    async def failure_of(self, subject: str) -> str:
        """Say how the command at the end of a batch or prompt failed; empty if it did not."""
        job = await self._last(subject) if await lanes.journal(self._ends.is_told, subject) else None
        if job is None or job.state is not State.EXITED or job.outcome is Outcome.COMPLETED:
            return ""
        return f"MCP_BG_ON_END, which is run at its end, failed: job {job.job_id}, {how_it_ended(job)}"

    # -- for the feeder --------------------------------------------------------------------------------------------

    async def awaits(self) -> bool:
        """Tell whether any prompts without a batch are awaited."""
        return bool(await lanes.journal(self._ends.awaited, self._server))

    async def look(self) -> None:
        """Record the ends of awaited prompts in the journal.

        Raises:
            UnreachableError: the server does not answer.
        """
        awaited = await lanes.journal(self._ends.awaited, self._server)
        if not awaited:
            return
        queue = await self._client.queue()
        gone = [one for one in awaited if queue.find(one.prompt_id) is None and not _is_on_its_way(one)]
        missed = {one.prompt_id: one for one in gone if (await self._prompts.get(one.prompt_id)).status == "unknown"}
        self._missed = {prompt_id: self._missed.get(prompt_id, 0) + 1 for prompt_id in missed}
        forgotten = [prompt_id for prompt_id, looks in self._missed.items() if looks >= _LOOKS]
        reason = REASONS[Fate.FORGOTTEN]
        await lanes.journal(self._journal.ended, forgotten, End.FAILED, at=time.time(), reason=reason)

    async def tell(self, say: Say) -> None:
        """Run the commands for work that has ended."""
        for end in await lanes.journal(self._ends.due, self._server):
            try:
                await self._run(end)
            except RegistryError:
                raise
            except BackgroundJobError as error:  # the work has ended all the same
                say(f"MCP_BG_ON_END was not run at the end of {end.subject}: {error}")
            await lanes.journal(self._ends.told, end.subject, at=time.time())

    async def _run(self, end: DueEnd) -> None:
        before = await self._last(end.subject)
        if before is not None and before.created_at >= end.ended_at:
            return
        facts = await (self._facts_of_batch(end.subject) if end.is_batch else self._facts_of_prompt(end.subject))
        request = StartRequest(  # noqa: S604  the command is the user's own setting, for a shell
            command=end.command,
            name=f"{PREFIX}{end.subject}",
            env={name: value.replace("\0", "") for name, value in facts.items()},
            shell=("/bin/sh",),
            is_own=True,
            timeout_s=MAX_RUN_S,
            pools={_POOL: MAX_AT_ONCE},
            if_running="new",  # another one for an earlier end of a batch that was retried
            parent=ROOT,
            project=NO_PROJECT,
        )
        await self._manager.start(request, client=SYSTEM, wait_for_report=False)

    async def _last(self, subject: str) -> Job | None:
        try:
            return await self._manager.find(of_no_project(f"{PREFIX}{subject}"), Asker(NO_PROJECT))
        except UnknownJobError:
            return None

    async def _facts_of_batch(self, batch_id: str) -> dict[str, str]:
        batch = await lanes.journal(self._batches.get, batch_id)
        assert batch is not None  # noqa: S101  for the type checker: its end was read there
        counts = await lanes.journal(self._batches.counts, batch_id)
        failed = await lanes.journal(self._batches.failed, batch_id, limit=1)
        return {
            EVENT_VARIABLE: "batch_ended",
            "MCP_BG_BATCH_ID": batch_id,
            "MCP_BG_STATUS": str(status_of(counts, cancel_requested=batch.cancel_requested, paused=batch.is_paused)),
            "MCP_BG_REASON": failed[0].reason if failed else "",
            "MCP_BG_DURATION_S": _duration(batch.created_at, batch.ended_at),
            "MCP_BG_NOTE": batch.note[:_MAX_NOTE],
            "MCP_BG_PROMPTS": str(counts.total),
            "MCP_BG_SUCCEEDED": str(counts.succeeded),
            "MCP_BG_FAILED": str(counts.failed),
            "MCP_BG_CANCELED": str(counts.canceled),
            "MCP_BG_COMFYUI_URL": self._server,
        }

    async def _facts_of_prompt(self, prompt_id: str) -> dict[str, str]:
        one = await lanes.journal(self._journal.get, prompt_id)
        assert one is not None  # noqa: S101  for the type checker: its end was read there
        known = of_journal(one)
        return {
            EVENT_VARIABLE: "prompt_ended",
            "MCP_BG_PROMPT_ID": prompt_id,
            "MCP_BG_STATUS": known.status,
            "MCP_BG_REASON": known.reason,
            "MCP_BG_DURATION_S": _duration(one.started_at, one.ended_at),
            "MCP_BG_NOTE": one.note[:_MAX_NOTE],
            "MCP_BG_OUTPUTS": "" if one.outputs is None else str(one.outputs),
            "MCP_BG_COMFYUI_URL": self._server,
        }


def _is_on_its_way(submission: Submission) -> bool:
    """Tell whether a prompt need not be at its server: it is being sent, or will be submitted again."""
    is_sent_now = submission.stage is Stage.SENDING and time.time() - submission.submitted_at < _SENT_S
    return is_sent_now or submission.requeue


def _duration(began: float | None, ended: float | None) -> str:
    return "" if began is None or ended is None else f"{max(0.0, ended - began):.3f}"
