from __future__ import annotations

import os
import re

import pytest

from tests.cli.command_line import CommandLine, end_of, line_of, on_terminal, read_until
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.real_process

REDRAWS = r"printf '10%%\r20%%\r\033[32mdone\033[0m\n'; printf 'x\bylast'"


def finished(cli: CommandLine, command: str) -> str:
    job_id = cli.start("--", command)
    cli("wait", job_id)
    return job_id


def test_logs_shows_what_a_terminal_would(cli: CommandLine) -> None:
    assert cli.ok("logs", finished(cli, REDRAWS)) == "done\nylast\n"


def test_raw_logs_are_the_bytes_that_were_written(cli: CommandLine) -> None:
    job_id = finished(cli, r"printf '\377\000\r\n\033[1mx\n\n'")
    assert cli("logs", "--raw", job_id).stdout == b"\xff\x00\r\n\x1b[1mx\n\n"


def test_nothing_is_folded_or_left_out(cli: CommandLine) -> None:
    job_id = finished(cli, "yes same | head -n 300000")
    assert cli("logs", job_id).stdout == b"same\n" * 300_000


def test_the_end_of_an_endless_line_is_cut_and_that_is_said(cli: CommandLine) -> None:
    job_id = finished(cli, "head -c 3000000 /dev/zero | tr '\\0' a; echo; echo next")
    line, following = cli.ok("logs", job_id).splitlines()
    assert "+2998000 characters" in line
    assert following == "next"


@pytest.mark.parametrize(("count", "expected"), [(0, ""), (2, "9\nlast\n"), (50, None)])
def test_lines_gives_the_last_ones(cli: CommandLine, count: int, expected: str | None) -> None:
    job_id = finished(cli, "seq 9; printf last")
    everything = "".join(f"{number}\n" for number in range(1, 10)) + "last\n"
    assert cli.ok("logs", job_id, "--lines", str(count)) == (everything if expected is None else expected)


def test_lines_reach_back_as_far_as_they_must(cli: CommandLine) -> None:
    job_id = finished(cli, "seq 200000")
    expected = [str(number) for number in range(100_001, 200_001)]
    assert cli.ok("logs", job_id, "-n", "100000").splitlines() == expected
    assert cli.ok("logs", job_id, "-n", "100000", "--raw").splitlines() == expected


def test_raw_lines_are_the_bytes_of_the_last_ones(cli: CommandLine) -> None:
    job_id = finished(cli, r"printf 'a\nb\r\n\377'")
    assert cli("logs", job_id, "--raw", "-n", "2").stdout == b"b\r\n\xff"


def test_grep_gives_matching_lines_only(cli: CommandLine) -> None:
    job_id = finished(cli, "seq 30")
    assert cli.ok("logs", job_id, "--grep", "^2.$", "-n", "3") == "27\n28\n29\n"
    assert cli.ok("logs", job_id, "--grep", "^.$").split() == list("123456789")


def test_each_stream_can_be_had_alone(cli: CommandLine) -> None:
    job_id = finished(cli, "echo out; echo err >&2")
    assert cli.ok("logs", job_id, "--stream", "stdout") == "out\n"
    assert cli.ok("logs", job_id, "--stream", "stderr") == "err\n"


def test_since_begins_at_an_offset_or_a_time(cli: CommandLine) -> None:
    job_id = finished(cli, "printf 'old\nnew\n'")
    assert cli.ok("logs", job_id, "--since", "4") == "new\n"
    assert cli.ok("logs", job_id, "--since", "1h") == "old\nnew\n"
    assert cli.ok("logs", job_id, "--since", "2999-01-01T00:00") == ""
    assert cli("logs", job_id, "--since", "yesterday").returncode == 2


def test_timestamps_stand_before_each_line(cli: CommandLine) -> None:
    lines = cli.ok("logs", "--timestamps", finished(cli, "echo a; echo b")).splitlines()
    assert len(lines) == 2
    for line, text in zip(lines, "ab", strict=True):
        assert re.fullmatch(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{{3}}[+-]\d\d:\d\d {text}", line)


@pytest.mark.parametrize("options", [[], ["--raw"], ["--stream", "stdout"], ["-n", "5"], ["--grep", "."]])
def test_follow_gives_what_comes_and_ends_with_the_job(cli: CommandLine, options: list[str]) -> None:
    job_id = cli.start("--stdin", "pipe", "--", 'echo ready; read line; echo "got $line"; exit 3')
    child = cli.open("logs", "-f", job_id, *options)
    assert line_of(child.stdout) == b"ready\n"
    cli.ok("send", job_id, "it")
    code, out, err = end_of(child)
    assert (code, out, err) == (0, b"got it\n", b"")


def test_follow_of_a_queued_job_begins_when_it_does(cli: CommandLine) -> None:
    first = cli.start("--stdin", "pipe", "--", "read line")
    child = cli.open("logs", "-f", cli.start("--after", first, "--", "echo begun"))
    cli.ok("send", first, "go")
    assert end_of(child)[:2] == (0, b"begun\n")


def test_what_retention_dropped_is_said(cli: CommandLine) -> None:
    cli.environment["MCP_BG_MAX_OUTPUT_SIZE"] = "8192"
    done = cli("logs", finished(cli, "seq 20000"))
    assert done.stdout.endswith(b"20000\n")
    assert done.stdout.startswith("[… 1".encode())
    assert b"dropped by retention" in done.stdout.split(b"\n")[0]
    raw = cli("logs", "--raw", finished(cli, "seq 20000"))
    assert raw.stdout[:1].isdigit(), "the bytes alone"
    assert b"dropped by retention" in raw.stderr


def test_a_closed_pipe_is_no_trouble(cli: CommandLine) -> None:
    child = cli.open("logs", finished(cli, "seq 300000"))
    assert child.stdout
    assert child.stdout.readline() == b"1\n"
    child.stdout.close()
    child.stdout = None
    code, _, err = end_of(child)
    assert (code, err) == (141, b"")


@pytest.mark.parametrize("raw", [False, True])
def test_a_terminal_gets_colours_and_no_orders_unless_raw_is_asked_for(cli: CommandLine, *, raw: bool) -> None:
    job_id = finished(cli, r"printf '\033[31mred\033[0m\033]52;c;aGk=\007\033]0;title\033\\ \033[6n\033[?1049hend\n'")
    child, ours = on_terminal(cli, "logs", "-f", *(["--raw"] if raw else []), job_id)
    seen = read_until(ours, b"end")
    assert child.wait(PATIENCE_S) == 0
    os.close(ours)

    assert seen.startswith(b"\x1b[31mred\x1b[0m")
    assert (b"]52;" in seen, b"]0;title" in seen, b"[6n" in seen, b"?1049h" in seen) == (raw, raw, raw, raw)
