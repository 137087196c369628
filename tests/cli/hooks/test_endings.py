"""``endings`` prints a line for each end, as long as somebody reads it."""

from __future__ import annotations

import json
import select
import time
from pathlib import Path

from tests.cli.command_line import CommandLine, end_of, line_of
from tests.live_files import copy_live
from tests.patience import PATIENCE_S, WAIT


def test_what_ended_lately_is_printed_and_counts_as_told_to_nobody(cli: CommandLine) -> None:
    job_id = cli.start("--name", "fit", "--", "exit 5")
    cli("wait", job_id, "--timeout", WAIT)
    for _ in range(2):
        (line,) = cli.ok("endings", "--all-projects").splitlines()
        assert line.startswith(f"job {job_id} `fit` failed, exit 5, ")
        assert line.endswith(" ago")
    nothing = cli("endings", "--project", "another")
    assert (nothing.returncode, nothing.stdout) == (0, b"")
    assert b"no job or run has ended here" in nothing.stderr


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


def test_of_a_thousand_ends_at_once_each_is_printed_once(cli: CommandLine, tmp_path: Path) -> None:
    pilot = cli.start("--", "exit 3")
    cli("wait", pilot, "--timeout", WAIT)
    jobs = cli.state_dir / "jobs"
    ids = [f"jx{number:04}" for number in range(1000)]
    for job_id in ids:
        copy = copy_live(jobs / pilot, tmp_path / job_id)
        spec = json.loads((copy / "spec.json").read_text())
        (copy / "spec.json").write_text(json.dumps({**spec, "job_id": job_id}))
    following = cli.open("endings", "--follow", "--all-projects")
    assert following.stdout
    deadline = time.monotonic() + PATIENCE_S
    while not select.select([following.stdout], [], [], 0)[0]:  # as above
        assert time.monotonic() < deadline
        cli.start("--", "exit 4")

    for job_id in ids:
        (tmp_path / job_id).rename(jobs / job_id)

    told: list[str] = []
    while sum(line.endswith(" failed, exit 3\n") for line in told) < len(ids):
        told.append(line_of(following.stdout).decode())
    assert sorted(line for line in told if " failed, exit 3" in line) == [f"job {one} failed, exit 3\n" for one in ids]
