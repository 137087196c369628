from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.command_line import CommandLine, end_of, line_of
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.real_process

#: A shell, its child and a daemon in a session of its own, all deaf to SIGTERM.
DEAF_TREE = """
trap '' TERM
echo $$ >> "$PIDS"
sh -c 'echo $$ >> "$PIDS"; while :; do sleep 60; done' &
setsid sh -c 'echo $$ >> "$PIDS"; echo up; while :; do sleep 60; done' &
wait
"""


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_kill_leaves_nothing_of_a_tree_that_ignores_sigterm(cli: CommandLine, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    job_id = cli.start("--env", f"PIDS={pids}", "--", DEAF_TREE)
    cli.ok("wait", job_id, "--until", "up")
    told = cli.ok("kill", "--grace", "0.2", job_id)
    known = [int(line) for line in pids.read_text().split()]
    assert len(known) >= 2
    assert [pid for pid in known if is_alive(pid)] == []
    status = cli.status(job_id)
    assert status["status"] == "killed"
    by_force = "it did not end within 0.2 s of SIGTERM and was killed (SIGKILL to "
    assert told.startswith(f"{job_id} killed: {by_force}")
    assert status["reason"].startswith(f"kill requested (SIGTERM, asked by cli); {by_force}")
    assert any(str(pid) in status["reason"] for pid in known)
    again = cli.ok("kill", job_id)
    assert again.startswith(f"{job_id} had already ended: killed: kill requested (SIGTERM")


def test_kill_stops_several_and_tells_of_each(cli: CommandLine) -> None:
    ids = [cli.start("--", "sleep", "60") for _ in range(2)]
    ended = cli.start("--", "true")
    cli.ok("wait", ended)
    lines = cli.ok("kill", *ids, ended).splitlines()
    assert [line.split()[0] for line in lines] == [*ids, ended]
    assert lines[0].endswith("killed")
    assert lines[2] == f"{ended} had already ended: completed, exit 0"


def test_kill_goes_on_when_one_is_unknown(cli: CommandLine) -> None:
    job_id = cli.start("--", "sleep", "60")
    done = cli("kill", "nobody", job_id)
    assert done.returncode == 8
    assert b"no job 'nobody'" in done.stderr
    assert cli.status(job_id)["status"] == "killed"


def test_kill_asks_with_the_signal_that_is_named(cli: CommandLine) -> None:
    job_id = cli.start("--", "trap 'echo asked; exit 3' USR1; echo up; while :; do sleep 0.05; done")
    cli.ok("wait", job_id, "--until", "up")
    refused = cli("kill", "--signal", "usr1", job_id)
    assert refused.returncode == 2
    assert b"say --signal-only to send it and stop nothing, or --no-signal-only to stop" in refused.stderr
    cli.ok("kill", "--signal", "usr1", "--no-signal-only", job_id)
    assert cli.ok("logs", job_id, "--grep", "asked") == "asked\n"
    assert cli("wait", job_id).returncode == 3


def test_kill_refuses_a_signal_that_ends_nothing(cli: CommandLine) -> None:
    job_id = cli.start("--", "sleep", "60")
    assert cli("kill", "--signal", "CHLD", job_id).returncode == 2
    assert cli.status(job_id)["status"] == "running"


def test_send_adds_a_line_end_unless_told_not_to(cli: CommandLine) -> None:
    job_id = cli.start("--stdin", "pipe", "--", "cat")
    cli.ok("send", job_id, "a line")
    cli.ok("send", job_id, "no end", "--no-newline")
    cli.ok("send", job_id, "--keys", "enter,eof")
    assert cli("wait", job_id).returncode == 0
    assert cli.ok("logs", "--raw", job_id) == "a line\nno end\n"


def test_what_is_piped_into_send_arrives_byte_by_byte(cli: CommandLine) -> None:
    data = bytes(range(256)) * 1000
    job_id = cli.start("--stdin", "pipe", "--", "cat")
    cli.ok("send", job_id, stdin=data)
    cli.ok("send", job_id, "--keys", "eof")
    cli.ok("wait", job_id)
    assert cli("logs", "--raw", job_id).stdout == data


def test_what_is_piped_into_send_is_sent_as_it_comes(cli: CommandLine) -> None:
    job_id = cli.start("--stdin", "pipe", "--", "cat")
    sender, reader = cli.open("send", job_id), cli.open("logs", "-f", job_id)
    assert sender.stdin
    sender.stdin.write(b"early\n")
    sender.stdin.flush()
    assert line_of(reader.stdout) == b"early\n"
    assert end_of(sender)[0] == 0


def test_a_file_can_be_sent(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "input").write_text("from a file\n")
    job_id = cli.start("--stdin", "pipe", "--", "cat")
    with (tmp_path / "input").open() as source:
        assert end_of(cli.open("send", job_id, stdin=source))[0] == 0
    cli.ok("wait", job_id, "--until", "from a file")


def test_ctrl_c_interrupts_a_job(cli: CommandLine) -> None:
    job_id = cli.start("--stdin", "pipe", "--", "echo up; exec sleep 60")
    cli.ok("wait", job_id, "--until", "up")
    cli.ok("send", job_id, "--keys", "ctrl-c")
    assert cli("wait", job_id).returncode == 130


def test_sending_to_a_closed_stdin_says_what_to_do(cli: CommandLine) -> None:
    done = cli("send", cli.start("--", "sleep", "60"), "text")
    assert done.returncode == 7
    assert b"start the job with --stdin pipe" in done.stderr
    assert b"Traceback" not in done.stderr


def test_restart_runs_the_same_command_as_a_new_job(cli: CommandLine) -> None:
    old = cli.start("--name", "again", "--env", "WORD=same", "--", "echo $WORD; exec sleep 60")
    new = cli.ok("restart", "again").strip()
    assert new != old
    assert cli.status(old)["status"] == "killed"
    cli.ok("wait", new, "--until", "same")
    status = cli.status("again")
    assert (status["job_id"], status["restarted_from"]) == (new, old)
    other = cli.ok("restart", new, "--env", "A=5", "--cwd", "/", "--grace", "1s", "--", "echo other $A $PWD").strip()
    cli.ok("wait", other)
    assert cli.ok("logs", other) == "other 5 /\n"


def test_prune_removes_what_has_ended_and_nothing_else(cli: CommandLine) -> None:
    ended = cli.start("--", "true")
    running = cli.start("--", "sleep", "60")
    cli.ok("wait", ended)
    assert cli.ok("prune") == ""
    assert cli.ok("prune", "--older-than", "1h") == ""
    assert cli.ok("prune", "--all").split() == [ended]
    assert [row["job_id"] for row in cli.listed()] == [running]
    assert cli.json("prune", "--all") == {"removed": []}
    assert not (cli.state_dir / "jobs" / ended).exists()


def test_killing_the_command_line_does_not_touch_the_job(cli: CommandLine) -> None:
    child = cli.open("wait", cli.start("--", "sleep", "60"))
    child.kill()
    assert child.wait(timeout=PATIENCE_S) == -9
    assert cli.listed()[0]["status"] == "running"
