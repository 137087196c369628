"""Starts jobs for pages to show."""

from __future__ import annotations

from tests.cli.command_line import CommandLine


def ended(cli: CommandLine, *arguments: str) -> str:
    """Run a job to its end, however that is; returns its id."""
    job_id = cli.start(*arguments)
    cli("wait", job_id)
    return job_id
