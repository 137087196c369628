"""``restart``: start a job's command again."""

from __future__ import annotations

from mcp_background_job.cli import exit_codes, started
from mcp_background_job.cli.arguments import AsJson
from mcp_background_job.cli.session import CLIENT, changes, with_manager
from mcp_background_job.jobs.manager import JobManager


def restart(job: str, /, *, as_json: AsJson = False) -> int:
    """Start a job's command again, under the same name and as a new job, and print that one's id.

    A job that still runs is stopped first.

    Args:
        job: Id or name of the job.
        as_json: Print JSON, with the same field names everywhere.
    """
    return with_manager(lambda manager: _restart(manager, job, as_json=as_json))


async def _restart(manager: JobManager, reference: str, *, as_json: bool) -> int:
    job = await manager.find(reference, changes(manager))
    await started.report(manager, await manager.restart(job.job_id, client=CLIENT), as_json=as_json)
    return exit_codes.OK
