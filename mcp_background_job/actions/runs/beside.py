"""Waits for runs of agents together with jobs: until a run has ended, or asks something."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.later import Going
from mcp_background_job.actions.opening import Opened
from mcp_background_job.core.news import END
from mcp_background_job.core.waiting import Why
from mcp_background_job.executors import lanes
from mcp_background_job.jobdir.layout import is_run_id
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.waiting.wait import Waited, WaitRequest

if TYPE_CHECKING:
    from mcp_background_job.agents.life.results import Run
    from mcp_background_job.agents.runs import RunManager
    from mcp_background_job.core.job import Job

#: The fields of a run's report that a wait returns.
_TOLD = ("run_id", "agent_name", "status", "error", "reason", "result", "pending_request", "note")

_Jobs = list[tuple["Job", WaitRequest]]


@dataclass(frozen=True)
class RunsToo:
    """Waits for runs, and for jobs with them."""

    manager: JobManager
    opened: Opened[RunManager]

    async def among(self, words: Sequence[str]) -> list[str]:
        """Return the words that are ids of runs.

        A name of a job, such as ``redis``, may have the form of such an id: the runs on record decide.
        """
        return await lanes.look(lambda: [word for word in words if is_run_id(word) and self._is_on_record(word)])

    def _is_on_record(self, run_id: str) -> bool:
        return Path(self.manager.state.run(run_id).path).is_dir()

    async def known(self, caller: Caller, run_ids: list[str]) -> set[str]:
        """Return the runs that the caller knows to be over: they do not end a wait for any one."""
        shown = await self.manager.news.shown(caller.reader, run_ids)
        return {run_id for run_id, facts in shown.items() if facts.knows_end}

    async def wait(
        self, run_ids: list[str], jobs: _Jobs, wait_s: float, *, for_all: bool, known: Collection[str]
    ) -> tuple[list[Run], list[Waited]]:
        """Wait for runs and jobs, for all or for any one; a question of a run always ends the wait.

        Raises:
            UnknownRunError: there is no such run.
        """
        runs = asyncio.create_task(self._runs(run_ids, wait_s, for_all=for_all, known=known))
        waited = asyncio.create_task(self.manager.wait_for_several(jobs, for_all=for_all))
        try:
            done, left = await asyncio.wait({runs, waited}, return_when=asyncio.FIRST_COMPLETED)
            asked = runs in done and any(map(_asks, runs.result()))
            is_enough = runs in done and _runs_tell_news(runs.result(), known)
            is_enough = is_enough or (waited in done and _jobs_tell_news(waited.result(), jobs))
            if left and not asked and (for_all or not is_enough):
                await asyncio.wait(left)
            # Runs and jobs that are still waited for are returned as they are now.
            now = runs.result() if runs.done() else await self._runs(run_ids, 0.0, for_all=True, known=known)
            return now, waited.result() if waited.done() else await self._as_they_are(jobs)
        finally:
            runs.cancel()
            waited.cancel()
            await asyncio.wait({runs, waited})

    @staticmethod
    def are_decided(runs: list[Run], *, for_all: bool, known: Collection[str], of_jobs: bool) -> bool:
        """Tell whether a wait is over; ``of_jobs``: whether its part for jobs is."""
        if any(map(_asks, runs)):
            return True
        over = [run for run in runs if run.state.is_over and not run.is_behind]
        if for_all:
            return of_jobs and len(over) == len(runs)
        return of_jobs or _runs_tell_news(over, known)

    @staticmethod
    def going(runs: list[Run], jobs: list[str]) -> Going:
        """Return how a wait is going, for runs and for jobs with these labels."""
        waited_for = [*(run.record.run_id for run in runs if not run.state.is_over), *jobs]
        return Going(doing=f"waiting for {', '.join(waited_for)}")

    async def _runs(self, run_ids: list[str], wait_s: float, *, for_all: bool, known: Collection[str]) -> list[Run]:
        from mcp_background_job.agents.catalog import Reference

        if not run_ids:
            return []
        references = [Reference(run_id) for run_id in run_ids]
        return await (await self.opened()).wait(references, wait_s=wait_s, for_all=for_all, known=known)

    async def _as_they_are(self, jobs: _Jobs) -> list[Waited]:
        looks = [(job, replace(request, wait_s=0.0)) for job, request in jobs]
        found = await self.manager.wait_for_several(looks, for_all=True)
        return [replace(one, why=None) if one.why is Why.TIMEOUT else one for one in found]

    def row(self, caller: Caller, run: Run) -> dict[str, Any]:
        """Return the row of a run that was waited for, and note that the caller knows its end."""
        from mcp_background_job.agents import report

        if run.state.is_over:
            self.manager.news.show(caller.reader, run.record.run_id, {END: 0})
        told = report.of_run(run)
        why = "exit" if run.state.is_over else "question" if _asks(run) else "timeout"
        return {"why": why, **{name: told[name] for name in _TOLD if name in told}}


def _asks(run: Run) -> bool:
    from mcp_background_job.agents.life.awaiting import asks

    return asks(run)


def _runs_tell_news(runs: list[Run], known: Collection[str]) -> bool:
    """Tell whether any of these runs is one whose end the caller does not know."""
    return any(run.record.run_id not in known for run in runs)


def _jobs_tell_news(waited: list[Waited], jobs: _Jobs) -> bool:
    """Tell the same for jobs."""
    pairs = zip(waited, jobs, strict=True)
    return any(one.why is not Why.EXIT or not request.end_is_known for one, (_, request) in pairs)
