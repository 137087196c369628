"""``restart``: start a job's command again."""

from __future__ import annotations

from typing import Annotated

from mcp_background_job.cli import exit_codes
from mcp_background_job.cli.arguments import AsJson, Seconds, command_of, directory, variables
from mcp_background_job.cli.jobs import started
from mcp_background_job.cli.parameter import Parameter
from mcp_background_job.cli.session import CLIENT, changes, with_manager
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.policy import GRACE_S
from mcp_background_job.jobs.request import Changes


def restart(
    job: str,
    /,
    *command: Annotated[str, Parameter(help="A command to run instead, after --.")],
    cwd: str | None = None,
    env: list[str] | None = None,
    grace: Seconds = GRACE_S,
    as_json: AsJson = False,
) -> int:
    """Start a job's command again, under the same name and as a new job, and print the id of the new job.

    A job that still runs is stopped first.

    Args:
        job: Id or name of the job.
        *command: What to run instead, after --, as for run.
        cwd: Working directory instead of the old one.
        env: A variable to add to its environment, as NAME=VALUE; may be repeated.
        grace: Time that a job which still runs has to end, before it is killed.
        as_json: Print JSON, with the same field names everywhere.
    """
    wanted = Changes(
        command=command_of(command) if command else None,
        cwd=directory(cwd),
        env=variables(env),
        grace_s=grace,
    )
    return with_manager(lambda manager: _restart(manager, job, wanted, as_json=as_json))


async def _restart(manager: JobManager, reference: str, wanted: Changes, *, as_json: bool) -> int:
    job = await manager.find(reference, changes(manager))
    await started.report(manager, await manager.restart(job.job_id, wanted, client=CLIENT), as_json=as_json)
    return exit_codes.OK
