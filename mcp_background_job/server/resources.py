"""Jobs as resources, for clients that show them beside the conversation."""

from __future__ import annotations

import logging
from typing import Any

from mcp_background_job.actions.jobs.report import status_result
from mcp_background_job.core.job import Job
from mcp_background_job.core.wire import to_json, utf8
from mcp_background_job.errors import InvalidRequestError, UnknownJobError
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.server.context import Callers
from mcp_background_job.server.fastmcp_names import INVALID_PARAMS, FastMCP, FastMCPError, MCPError, get_context

#: Characters of a log in one resource; the rest is for get_job_output.
_LOG_BUDGET = 40_000


class _RefusedError(FastMCPError, MCPError):
    """What was asked for is not there: an answer, and nothing for FastMCP to log as trouble of the server's."""

    def __init__(self, message: str, data: dict[str, str]) -> None:
        MCPError.__init__(self, INVALID_PARAMS, message, data)
        self.log_level = logging.DEBUG


def register_resources(mcp: FastMCP[Any], manager: JobManager, callers: Callers) -> None:
    """Offer ``job://{job_id}`` and ``job://{job_id}/log``."""

    async def find(job_id: str, uri: str) -> Job:
        try:
            return await manager.find(job_id, (await callers.caller_of(get_context())).looks)
        except (UnknownJobError, InvalidRequestError) as error:
            raise _RefusedError(utf8(str(error)), {"uri": utf8(uri), "code": error.code}) from error

    async def job(job_id: str) -> str:
        """Status of a job."""
        details = await manager.details((await find(job_id, f"job://{job_id}")).job_id)
        return to_json(status_result(details).model_dump(exclude_none=True))

    async def log(job_id: str) -> str:
        """Output of a job, as a terminal would show it."""
        return utf8((await manager.excerpt(await find(job_id, f"job://{job_id}/log"), budget=_LOG_BUDGET)).text)

    mcp.resource("job://{job_id}", name="job", mime_type="application/json")(job)
    mcp.resource("job://{job_id}/log", name="job log", mime_type="text/plain")(log)
