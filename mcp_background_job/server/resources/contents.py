"""What clients can read: jobs and their output, runs, the queue of ComfyUI, and the list of jobs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from mcp_background_job.actions.jobs.listed import page
from mcp_background_job.actions.jobs.report import status_result
from mcp_background_job.core.job import JobChoice
from mcp_background_job.core.wire import plain, to_json, utf8
from mcp_background_job.errors import BackgroundJobError
from mcp_background_job.server.addresses import Kind
from mcp_background_job.server.fastmcp_names import Resource, ResourceTemplate
from mcp_background_job.server.refusals import not_there
from mcp_background_job.server.resources.recent import recent_jobs, recent_runs
from mcp_background_job.server.served import Served

#: Characters of a log in one resource; the rest is for get_job_output.
_LOG_BUDGET = 40_000

#: Jobs in ``jobs://``.
LISTED = 50

#: Of the newest jobs and runs so many are listed, each: pickers of clients show all that they get.
_RECENT = 10

_JSON = "application/json"


class Everything:
    """All resources of some toolsets."""

    def __init__(self, served: Served) -> None:
        """Takes where things are."""
        self._served = served
        self._fixed = [
            Resource.from_function(self._list, Kind.LIST.template, name="jobs", mime_type=_JSON),
            Resource.from_function(self._queue, Kind.QUEUE.template, name="comfyui queue", mime_type=_JSON),
        ]
        self._templates: list[ResourceTemplate] = [
            ResourceTemplate.from_function(self._job, Kind.JOB.template, name="job", mime_type=_JSON),
            ResourceTemplate.from_function(self._log, Kind.LOG.template, name="job log", mime_type="text/plain"),
            ResourceTemplate.from_function(self._run, Kind.RUN.template, name="run", mime_type=_JSON),
        ]

    @property
    def fixed(self) -> Sequence[Resource]:
        """The resources that always exist, if their toolset is offered."""
        return [resource for resource in self._fixed if self._has(str(resource.uri))]

    @property
    def templates(self) -> Sequence[ResourceTemplate]:
        """Templates of the others, likewise."""
        return [template for template in self._templates if self._has(template.uri_template)]

    def _has(self, template: str) -> bool:
        return next(kind for kind in Kind if kind.template == template).toolset in self._served.toolsets

    async def recent(self) -> Sequence[Resource]:
        """Return the newest jobs and runs of whoever asks, from the index: none of them is looked at closely."""
        caller = await self._served.caller()
        found: list[Resource] = []
        if "jobs" in self._served.toolsets:
            found += await recent_jobs(self._served.house.manager, caller.project, _RECENT)
        if "runs" in self._served.toolsets:
            found += await recent_runs(await self._served.house.runs(), caller.project, _RECENT)
        return found

    async def _list(self) -> str:
        """This project's jobs: running ones first, then newest first."""
        caller = await self._served.caller()
        listed = await page(self._served.house.manager, caller, JobChoice(project=caller.project), limit=LISTED)
        return _as_json({name: value for name, value in vars(listed).items() if value is not None})

    async def _queue(self) -> str:
        """The state of ComfyUI: running and pending prompts, batches, memory, process, signs of trouble."""
        from mcp_background_job.comfyui.reports import report  # noqa: PLC0415  loaded with ComfyUI

        async def look() -> str:
            return _as_json(report.of_status(await (await self._served.house.comfyui()).status()))

        return await _found(Kind.QUEUE.template, look)

    async def _job(self, job_id: str) -> str:
        """Status of a job."""

        async def look() -> str:
            job = await self._served.house.manager.find(job_id, (await self._served.caller()).looks)
            details = await self._served.house.manager.details(job.job_id)
            return _as_json(status_result(details).model_dump(exclude_none=True))

        return await _found(Kind.JOB.uri_of(job_id), look)

    async def _log(self, job_id: str) -> str:
        """Output of a job, as a terminal would show it."""

        async def look() -> str:
            job = await self._served.house.manager.find(job_id, (await self._served.caller()).looks)
            return utf8((await self._served.house.manager.excerpt(job, budget=_LOG_BUDGET)).text)

        return await _found(Kind.LOG.uri_of(job_id), look)

    async def _run(self, run_id: str) -> str:
        """Status of an agent's run, its result or error, and what it asks."""
        from mcp_background_job.agents import report  # noqa: PLC0415  loaded with runs
        from mcp_background_job.agents.catalog import Reference  # noqa: PLC0415

        async def look() -> str:
            return _as_json(report.of_run(await (await self._served.house.runs()).get(Reference(run_id))))

        return await _found(Kind.RUN.uri_of(run_id), look)


async def _found(uri: str, look: Callable[[], Awaitable[str]]) -> str:
    """Return the result of a look, or refuse the request if the look finds nothing."""
    try:
        return await look()
    except BackgroundJobError as error:
        raise not_there(uri, error) from error


def _as_json(facts: object) -> str:
    return to_json(plain(facts))
