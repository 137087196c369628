"""The commands for runs of agents, as a user types them."""

from __future__ import annotations

import json
import os
import pty
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command_line import CommandLine, end_of, line_of, on_terminal, read_until
from tests.conftest import Liveness
from tests.patience import WAIT

pytestmark = pytest.mark.real_process


@pytest.fixture
def hanging(liveness: Liveness) -> list[str]:
    """The words behind ``--`` that make a command hang, with a child in a session of its own."""
    script = liveness.script("agent", "fork_into(os.setsid, lambda: connect('tool'))\nconnect('agent')\nhang()\n")
    return ["sh", "-c", f"echo at work; exec {script}"]


def _spawn(cli: CommandLine, *words: str, name: str = "bob") -> str:
    return cli.ok("runs", "spawn", "command", "the task", "--name", name, "--", *words).strip()


def test_a_run_is_followed_to_its_end_and_the_exit_code_says_how_it_ended(cli: CommandLine) -> None:
    well = cli("runs", "spawn", "command", "the task", "--follow", "--", "cat")
    badly = cli("runs", "spawn", "command", "-", "--follow", "--json", "--", "sh", "-c", "cat; exit 7", stdin=b"typed")

    lines = [line.split("\t") for line in well.stdout.decode().splitlines()]
    assert [line[0] for line in lines] == ["1", "2", "3", "4"]
    assert [line[2] for line in lines] == ["run_started", "status_changed", "agent_message", "run_completed"]
    assert lines[2][3] == "the task"
    assert well.returncode == 0
    events: list[dict[str, Any]] = [json.loads(line) for line in badly.stdout.splitlines()]
    assert events[-1]["type"] == "run_failed"
    assert events[-1]["data"]["final_response"] == "typed"
    assert badly.returncode == 3


def test_runs_are_listed_shown_and_read_again(cli: CommandLine) -> None:
    run_id = _spawn(cli, "sh", "-c", "echo one; echo two")
    cli("runs", "events", "bob", "--follow")

    (row,) = cli.ok("runs", "list").splitlines()[1:]
    (listed,) = json.loads(cli.ok("runs", "list", "--json", "--status", "completed", "--backend", "command"))
    assert json.loads(cli.ok("runs", "list", "--json", "--cwd", ".")) == [listed]
    shown = json.loads(cli.ok("runs", "show", run_id, "--json"))
    events = cli.ok("runs", "events", "bob", "--after", "3").splitlines()

    assert row.split("\t")[:4] == [run_id, "bob", "command", "completed"]
    assert shown == listed
    assert shown["result"]["final_response"] == "one\ntwo"
    assert [line.split("\t")[3] for line in events] == ["two", "one two"]
    assert "final_response: one" in cli.ok("runs", "show", "bob")


def test_a_run_is_cancelled_with_all_that_it_started(cli: CommandLine, liveness: Liveness, hanging: list[str]) -> None:
    run_id = _spawn(cli, *hanging)
    liveness.expect("agent", "tool")

    cancelled = cli("runs", "cancel", "bob", "--json")

    liveness.assert_dead("agent", "tool")
    assert cancelled.returncode == 0
    assert json.loads(cancelled.stdout)["leftover_pids"] == []
    again = cli("runs", "cancel", run_id)
    assert again.returncode == 7
    assert b"run is already terminal: cancelled" in again.stderr
    assert cli("runs", "events", run_id).returncode == 4


def test_ctrl_c_leaves_a_run_that_is_followed_alone(cli: CommandLine, liveness: Liveness, hanging: list[str]) -> None:
    run_id = _spawn(cli, *hanging)
    liveness.expect("agent", "tool")
    follower = cli.open("runs", "events", run_id, "--follow")
    while b"at work" not in line_of(follower.stdout):
        pass

    follower.send_signal(signal.SIGINT)

    code, _, said = end_of(follower)
    assert code == 130
    assert f"run {run_id} goes on; mcp-background-job runs watch {run_id}" in said.decode()
    liveness.assert_alive("agent", "tool")
    cli.ok("runs", "cancel", run_id)


def test_a_text_may_begin_with_a_hyphen_and_the_words_of_a_command_are_left_alone(cli: CommandLine) -> None:
    for line, prompt, command in (
        (("- fix this\n- fix that", "--name", "bob", "--", "echo"), "- fix this\n- fix that", ["echo"]),
        (("--name", "bob", "--", "--fix", "echo"), "--fix", ["echo"]),
        (("x", "--", "echo", "--follow", "--modle"), "x", ["echo", "--follow", "--modle"]),
    ):
        run_id = cli.ok("runs", "spawn", "command", *line).strip()
        known = json.loads(cli.ok("runs", "show", run_id, "--json"))
        assert (known["prompt"], known["command"]) == (prompt, command)


def test_what_cannot_be_done_is_said_in_a_sentence(cli: CommandLine, tmp_path: Path) -> None:
    for arguments, code, sentence in (
        (("show", "rnope"), 8, b"Unknown agent_name: rnope; nor is there a run of this id"),
        (("show", "nobody"), 8, b"Unknown agent_name: nobody"),
        (("spawn", "codex", "x", "--cwd", "/no/where"), 2, b"ENOENT"),
        (
            ("spawn", "command", "x"),
            2,
            b"command needs a COMMAND behind the task: runs spawn command PROMPT -- COMMAND",
        ),
        (("spawn", "codex", "fix", "the", "tests"), 2, b"codex takes no COMMAND, which 'the tests' would be"),
        (("spawn", "codex", "x", "--modle", "y"), 2, b"Unknown option: --modle. Do you mean --model?"),
        (("spawn", "codex", "--modle", "y", "x"), 2, b"Unknown option: --modle. Do you mean --model?"),
        (("spawn", "remote_a2a", "x", "--model", "y"), 2, b"remote_a2a takes no --model"),
        (("spawn", "remote_a2a", "x", "--full-access"), 2, b"remote_a2a takes no --full-access"),
        (("spawn", "remote_a2a", "x"), 2, b"remote_a2a needs --agent-url"),
        (("continue", "rnope", "--dta", "{}"), 2, b"Unknown option: --dta. Do you mean --data?"),
        (("continue", "rnope", "--dta"), 2, b"Unknown option: --dta. Do you mean --data?"),
        (("send", "bob", "--form", "me"), 2, b"Unknown option: --form. Do you mean --from?"),
        (("spawn", "command", "x", "--", "no-such-program"), 7, b"no program no-such-program"),
        (("spawn", "nobody", "x"), 2, b"nobody"),
        (("continue", "rnope", "x", "--data", "{"), 2, b"--data is not JSON"),
        (("list", "--status", "asleep"), 2, b"asleep"),
        (("spwan",), 2, b"do you mean spawn?"),
    ):
        done = cli("runs", *arguments, env={"PATH": f"/usr/bin:/bin:{tmp_path}"})
        assert (done.returncode, len(done.stderr.splitlines())) == (code, 1), (arguments, done)
        assert sentence in done.stderr


def test_a_run_that_takes_no_more_input_says_so(cli: CommandLine) -> None:
    run_id = _spawn(cli, "true")
    cli("runs", "events", run_id, "--follow")

    continued = cli("runs", "continue", run_id, "and now?")

    assert continued.returncode == 2
    assert b"backend does not support continue: command" in continued.stderr


def test_people_get_a_table_and_events_with_times(cli: CommandLine) -> None:
    _spawn(cli, "sh", "-c", "printf 'red\\033[31m\\n'")
    cli("runs", "events", "bob", "--follow")

    listing, terminal = on_terminal(cli, "runs", "list")
    drawn = read_until(terminal, b"completed")
    assert end_of(listing)[0] == 0
    os.close(terminal)
    events, terminal = on_terminal(cli, "runs", "events", "bob")
    told = read_until(terminal, b"run_completed")
    assert end_of(events)[0] == 0
    os.close(terminal)

    assert b"AGENT" in drawn
    assert b"agent_message" in told
    assert b"\\x1b[31m" in told


def test_old_runs_are_pruned_with_old_jobs_and_live_ones_are_not(
    cli: CommandLine, liveness: Liveness, hanging: list[str]
) -> None:
    ended = _spawn(cli, "true", name="alice")
    live = _spawn(cli, *hanging)
    liveness.expect("agent")
    cli("runs", "events", ended, "--follow")

    removed = json.loads(cli.ok("prune", "--all", "--json"))["removed"]

    assert ended in removed
    assert live not in removed
    assert [run["run_id"] for run in json.loads(cli.ok("runs", "list", "--json"))] == [live]
    cli.ok("runs", "cancel", live)


def test_all_that_a_run_may_be_given_is_given_at_the_terminal_and_a_cut_field_is_printed_whole(
    cli: CommandLine, tmp_path: Path
) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text("[]")
    options = ("--profile", "reviewer", "--role", "reviewer", "--metadata", '{"n": 1}')
    refused = cli("runs", "spawn", "codex", "x", "--schema", f"@{schema}")
    run = cli.ok("runs", "spawn", "command", "x" * 3000, *options, "--", "tr", "\\n", " ").strip()
    first = cli.ok("runs", "events", run, "--limit", "1", "--json")
    cli("runs", "events", run, "--follow", "--timeout", WAIT)
    known = json.loads(cli.ok("runs", "show", run, "--json"))
    whole = cli.ok("runs", "artifact", run, str(known["last_seq"]), "final_response")
    watched = cli.ok("runs", "watch", run)

    assert b"--schema is not a JSON object" in refused.stderr
    assert [json.loads(line)["type"] for line in first.splitlines()] == ["run_started"]
    assert (known["role"], known["metadata"]) == ("reviewer", {"n": 1})
    assert whole.startswith("You review the work")
    assert whole.rstrip().endswith("x" * 3000)
    assert "x" * 3000 in watched


def test_a_run_is_watched_at_a_terminal_and_answered_there(cli: CommandLine) -> None:
    agent = [sys.executable, str(Path(__file__).parents[2] / "agents" / "host" / "acp_agent.py")]
    run = cli.ok("runs", "spawn", "acp", "ask", "--", *agent).strip()
    ours, theirs = pty.openpty()
    watcher = cli.open("runs", "watch", run, stdin=theirs, stdout=theirs)
    os.close(theirs)

    asked = read_until(ours, b"answer: ")
    os.write(ours, b"9\n")
    read_until(ours, b"answer: ")
    os.write(ours, b"3\n")
    rest = read_until(ours, b"completed")

    assert b"? rm -rf x" in asked
    assert b"3) No" in asked
    assert b"never" in rest, "what the agent was answered, as it says"
    assert b"answer: " not in rest
    os.close(ours)
    code, _, err = end_of(watcher)
    assert code == 0
    assert b"not one of the options" in err


def test_a_question_that_is_watched_through_a_pipe_is_answered_elsewhere(cli: CommandLine) -> None:
    agent = [sys.executable, str(Path(__file__).parents[2] / "agents" / "host" / "acp_agent.py")]
    run = cli.ok("runs", "spawn", "acp", "ask", "--", *agent).strip()
    watcher = cli.open("runs", "watch", run)
    while b"runs continue" not in line_of(watcher.stderr):
        pass
    cli.ok("runs", "continue", run, "no")

    code, out, _ = end_of(watcher)

    assert code == 0
    assert b"never" in out.splitlines()
    assert out.splitlines()[-1] == b"completed"
    assert b"\x1b" not in out
