from __future__ import annotations

import json
import signal
import socket
from pathlib import Path

import pytest

from tests.cli.command_line import CommandLine, end_of, line_of

pytestmark = pytest.mark.real_process


def test_run_prints_nothing_but_the_id_when_piped(cli: CommandLine) -> None:
    done = cli("run", "--", "true")
    assert done.stdout.decode().strip().isalnum()
    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("command", "code"),
    [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 128 + 9), ("kill -TERM $$", 128 + 15), ("no-such-program", 127)],
)
def test_wait_exits_as_the_job_did(cli: CommandLine, command: str, code: int) -> None:
    assert cli("wait", cli.start("--", command)).returncode == code


def test_several_arguments_each_stay_one(cli: CommandLine) -> None:
    job_id = cli.start("--", "printf", "%s|", "a b", "$HOME", "--name", "--")
    cli.ok("wait", job_id)
    assert cli.ok("logs", "--raw", job_id) == "a b|$HOME|--name|--|"


def test_one_argument_is_a_shell_command_line(cli: CommandLine) -> None:
    job_id = cli.start("--env", "WORD=from=outside", "--cwd", "/", "--", 'echo "$WORD" | tr a-z A-Z; pwd')
    cli.ok("wait", job_id)
    assert cli.ok("logs", job_id) == "FROM=OUTSIDE\n/\n"


def test_a_relative_cwd_is_meant_from_where_the_user_is(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "here" / "below").mkdir(parents=True)
    cli.environment["MCP_BG_WORKING_DIR"] = str(tmp_path / "elsewhere")
    child = cli.open("run", "--cwd", "below", "--", "pwd", cwd=tmp_path / "here")
    job_id = end_of(child)[1].decode().strip()
    assert cli.status(job_id)["cwd"] == str(tmp_path / "here" / "below")


def test_follow_prints_the_bytes_and_exits_as_the_job_did(cli: CommandLine) -> None:
    done = cli("run", "--follow", "--", r"printf 'one\n\377\000two'; echo three >&2; exit 5")
    assert done.stdout == b"one\n\xff\x00twothree\n"
    assert done.returncode == 5
    assert b"started" in done.stderr


def test_interrupting_follow_leaves_the_job_running_and_says_so(cli: CommandLine) -> None:
    child = cli.open("run", "--name", "steady", "--follow", "--", "echo ready; exec sleep 60")
    assert line_of(child.stdout) == b"ready\n"
    child.send_signal(signal.SIGINT)
    code, _, err = end_of(child)
    assert code == 130
    assert b"runs on" in err
    assert b"Traceback" not in err
    assert cli.status("steady")["status"] == "running"


def test_follow_says_that_the_command_is_over_and_what_it_left_runs(cli: CommandLine) -> None:
    child = cli.open("run", "--name", "leaver", "--follow", "--", "sleep 60 & echo left")
    assert line_of(child.stdout) == b"left\n"
    assert b"started" in line_of(child.stderr)
    assert b"left in the background" in line_of(child.stderr)
    cli.ok("kill", "leaver")
    assert end_of(child)[0] == 125  # its command exited 0, and it did not complete


def test_run_finds_the_running_job_of_the_same_name(cli: CommandLine) -> None:
    first = cli.json("run", "--name", "server", "--", "sleep", "60")
    again = cli.json("run", "--name", "server", "--", "sleep", "60")
    assert (first["existed"], again["existed"]) == (False, True)
    assert again["job_id"] == first["job_id"]
    anew = cli.json("run", "--name", "server", "--if-running", "restart", "--", "sleep", "60")
    assert anew["job_id"] != first["job_id"]
    assert cli.status(first["job_id"])["status"] == "killed"


def test_a_time_limit_stops_the_job(cli: CommandLine) -> None:
    job_id = cli.start("--timeout", "0.2s", "--", "sleep", "60")
    assert cli("wait", job_id).returncode == 128 + signal.SIGTERM
    assert cli.status(job_id)["status"] == "timed_out"


def test_wait_gives_up_after_its_timeout(cli: CommandLine) -> None:
    done = cli("wait", cli.start("--", "sleep", "60"), "--timeout", "0.1")
    assert done.returncode == 124
    assert b"gave up" in done.stdout


def test_wait_for_several_gives_the_first_failure_in_the_order_asked(cli: CommandLine) -> None:
    good = cli.start("--", "true")
    first = cli.start("--stdin", "pipe", "--", "read line; exit 3")
    second = cli.start("--", "exit 4")
    child = cli.open("wait", good, first, second, "--json")
    cli.ok("send", first, "go")
    code, out, _ = end_of(child)
    assert code == 3
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["job_id"], row["exit_code"], row["why"]) for row in rows] == [
        (good, 0, "exit"),
        (first, 3, "exit"),
        (second, 4, "exit"),
    ]


def test_wait_for_any_returns_with_the_first_that_ends(cli: CommandLine) -> None:
    endless = cli.start("--", "sleep", "60")
    done = cli("wait", "--any", endless, cli.start("--", "exit 6"))
    assert done.returncode == 6
    assert done.stdout.count(b"\n") == 1


def test_wait_until_something_is_printed(cli: CommandLine) -> None:
    job_id = cli.start("--", "echo Server ready on 80; exec sleep 60")
    done = cli("wait", job_id, "--until", r"ready on \d+")
    assert done.returncode == 0
    assert b"found: Server ready on 80" in done.stdout


def test_wait_until_it_is_idle(cli: CommandLine) -> None:
    assert cli("wait", cli.start("--", "sleep", "60"), "--until", "idle:0.2s").returncode == 0


@pytest.mark.parametrize("options", [["--until", "never"], ["--fail-on", "bro.en"]])
def test_wait_fails_when_what_was_waited_for_cannot_come(cli: CommandLine, options: list[str]) -> None:
    assert cli("wait", cli.start("--", "echo broken"), *options).returncode == 1


@pytest.mark.parametrize(
    ("command", "until", "code", "told"),
    [
        ("echo one; echo two", "port:{port}", 1, "was not seen to listen on port {port}; port {port} is open, but not"),
        ("echo one; echo two; exit 4", "http://127.0.0.1:1/", 4, "http://127.0.0.1:1/ was not seen to answer"),
        ("echo one; echo two", "up and running", 1, 'no output matches "up and running"'),
    ],
)
def test_wait_says_what_did_not_come_and_shows_the_newest_lines(
    cli: CommandLine, command: str, until: str, code: int, told: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as others:
        port = others.getsockname()[1]
        job_id = cli.start("--", command)
        done = cli("wait", job_id, "--until", until.format(port=port))
    assert done.returncode == code
    assert f"the job ended, and {told.format(port=port)}" in done.stdout.decode()
    assert done.stderr.decode().startswith(
        f"  one\n  two\nmcp-background-job: these were its newest lines; mcp-background-job logs {job_id}"
    )


def test_wait_for_an_end_shows_no_output(cli: CommandLine) -> None:
    done = cli("wait", cli.start("--", "echo one; exit 4"))
    assert (done.returncode, done.stderr) == (4, b"")


def test_wait_goes_on_when_only_the_command_is_over(cli: CommandLine) -> None:
    job_id = cli.start("--", "sleep 60 & exit 0")
    child = cli.open("wait", job_id)
    assert b"left in the background" in line_of(child.stderr)
    cli.ok("kill", job_id)
    code, out, err = end_of(child)
    assert code == 125
    assert b"killed" in out
    assert err == b""


def test_a_job_waits_for_the_one_it_comes_after(cli: CommandLine) -> None:
    first = cli.start("--stdin", "pipe", "--", "read line")
    second = cli.start("--after", first, "--", "exit 9")
    assert cli.status(second)["status"] == "queued"
    cli.ok("send", first, "go")
    assert cli("wait", second).returncode == 9


@pytest.mark.parametrize("is_early", [False, True], ids=["fails later", "has failed"])
def test_a_job_behind_one_that_fails_is_on_record_whenever_that_is(cli: CommandLine, *, is_early: bool) -> None:
    first = cli.start("--stdin", "pipe", "--", "read line; exit 6")
    if is_early:
        cli.ok("send", first, "go")
        cli("wait", first)
    done = cli("run", "--name", "deploy", "--after", first, "--", "true")
    assert done.returncode == (125 if is_early else 0)
    if is_early:
        assert f"`deploy` failed: not started: job {first}" in done.stderr.decode()
    else:
        cli.ok("send", first, "go")
    assert cli("wait", "deploy").returncode == 125
    status = cli.status("deploy")
    assert (status["job_id"], status["status"]) == (done.stdout.decode().strip(), "failed")
    assert status["reason"] == f"not started: job {first}, which it was to run after, ended as failed"
    followed = cli("run", "--follow", "--after", "deploy", "--", "true")
    assert followed.returncode == 125
    assert b"failed: not started" in followed.stderr


def test_a_job_that_is_never_started_is_no_success(cli: CommandLine) -> None:
    first = cli.start("--stdin", "pipe", "--", "read line; exit 1")
    second = cli.start("--after", first, "--", "true")
    cli.ok("send", first, "go")
    done = cli("wait", second)
    assert done.returncode == 125
    assert b"not started" in done.stdout
    late = cli("run", "--after", first, "--", "true")
    assert late.returncode == 125
    assert b"ended as failed" in late.stderr
