"""Starts jobs for pages to show."""

from __future__ import annotations

import functools
import os

from mcp_background_job.jobdir.layout import StateDir
from tests.cli.command_line import CommandLine
from tests.patience import wait_until


def ended(cli: CommandLine, *arguments: str) -> str:
    """Run a job to its end, however that is; returns its id."""
    job_id = cli.start(*arguments)
    end = StateDir(str(cli.state_dir)).job(job_id).exit
    wait_until(functools.partial(os.path.exists, end), f"job {job_id} has ended")
    return job_id
