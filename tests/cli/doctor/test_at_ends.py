"""What doctor says of MCP_BG_ON_END."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mcp_background_job.cli.doctor import at_ends
from mcp_background_job.cli.doctor.at_ends import AtEnds, program_of
from mcp_background_job.jobs.manager import JobManager


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("", ""),
        ("notify-send done", "notify-send"),
        ("TZ=UTC A=b date", "date"),
        ('[ "$MCP_BG_STATUS" = completed ] || curl x', "["),
        ("'/opt/my tools/ring' --loud", "/opt/my tools/ring"),
        ('"$BELL" now', ""),
        ("(cd /tmp; true)", ""),
        ("say 'it", ""),
    ],
)
def test_what_a_command_begins_with(command: str, program: str) -> None:
    assert program_of(command) == program


def make_failure(manager: JobManager) -> None:
    for job_id in ("jaaaa", "jbbbb"):
        os.makedirs(manager.state.job(job_id).path)
    Path(manager.state.job("jbbbb").on_end_trouble).write_text("exit code 7\n")


async def test_a_program_that_is_missing_and_the_last_failures_are_told(manager: JobManager) -> None:
    assert await at_ends.look(manager) == AtEnds()
    assert AtEnds().told == "not set"
    manager.on_end = "no-such-bell --ring"
    make_failure(manager)
    assert (await at_ends.look(manager)).told == (
        "set, no-such-bell is not found; last failures: job jbbbb: exit code 7"
    )
    manager.on_end = "if true; then :; fi"
    assert (await at_ends.look(manager)).is_found
