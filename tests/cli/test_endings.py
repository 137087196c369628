"""``endings`` prints a line for each end, as long as somebody reads it."""

from __future__ import annotations

import select
import time

from tests.cli.command_line import CommandLine, end_of, line_of
from tests.patience import PATIENCE_S, WAIT


def test_what_ended_lately_is_printed_and_counts_as_told_to_nobody(cli: CommandLine) -> None:
    job_id = cli.start("--name", "fit", "--", "exit 5")
    cli("wait", job_id, "--timeout", WAIT)
    for _ in range(2):
        (line,) = cli.ok("endings", "--all-projects").splitlines()
        assert line.startswith(f"job {job_id} `fit` failed, exit 5, ")
        assert line.endswith(" ago")
    assert cli.ok("endings", "--project", "another") == ""


def test_follow_prints_ends_as_they_come_until_nobody_reads(cli: CommandLine) -> None:
    following = cli.open("endings", "--follow", "--project", "shop")
    assert following.stdout
    cli.environment["MCP_BG_PROJECT"] = "shop"
    started: list[str] = []
    deadline = time.monotonic() + PATIENCE_S
    while not select.select([following.stdout], [], [], 0)[0]:  # what ends before it is there is no news
        assert time.monotonic() < deadline
        started.append(cli.start("--", "exit 3"))
    told = line_of(following.stdout).decode()
    assert told in {f"job {job_id} failed, exit 3\n" for job_id in started}

    following.stdout.close()
    following.stdout = None
    assert end_of(following)[0] == 0
