from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.cli.command_line import CommandLine, end_of, line_of, on_terminal, read_until

pytestmark = pytest.mark.real_process

FIELDS = {
    "job_id",
    "name",
    "status",
    "exit_code",
    "signal",
    "reason",
    "pid",
    "command",
    "cwd",
    "created_at",
    "started_at",
    "ended_at",
    "log_path",
}


def test_json_has_the_same_fields_everywhere(cli: CommandLine) -> None:
    started = cli.json("run", "--name", "one", "--timeout", "1h", "--", "sleep", "60")
    (listed,) = cli.listed()
    status = cli.json("status", "one")
    assert set(started) - {"existed"} == FIELDS
    assert set(status) > FIELDS
    for facts in (started, listed, status):
        assert (facts["job_id"], facts["name"], facts["status"]) == (started["job_id"], "one", "running")
        assert facts["command"] == "sleep 60"
    assert set(listed) - {"cwd"} == {
        "job_id",
        "name",
        "status",
        "age_s",
        "duration_s",
        "deadline_s",
        "silent_s",
        "command",
    }
    assert 0 < listed["deadline_s"] <= 3600
    os.kill(started["pid"], 0)
    (killed,) = cli.json("kill", "one")["jobs"]
    assert killed == {"job_id": started["job_id"], "name": "one", "status": "killed"} | killed


def test_no_job_took_longer_than_it_is_old(cli: CommandLine) -> None:
    live = cli.start("--", "sleep", "60")
    ended = cli.start("--", "sleep 0.3")
    cli("wait", ended)
    rows = {row["job_id"]: row for row in cli.listed()}
    for job_id in (live, ended):
        assert 0 < round(rows[job_id]["duration_s"], 1) <= rows[job_id]["age_s"]
    assert rows[live]["silent_s"] <= rows[live]["age_s"]


def test_a_list_says_why_a_job_has_no_exit_code(cli: CommandLine) -> None:
    before = cli.start("--stdin", "pipe", "--", "read line; exit 1")
    never = cli.start("--after", before, "--", "true")
    cli.ok("send", before, "go")
    crashed = cli.start("--", "kill -SEGV $$")
    cli("wait", never, crashed)
    killed = cli.start("--", "sleep", "60")
    cli.ok("kill", killed)
    notes = {row["job_id"]: row.get("note", "") for row in cli.listed()}
    assert before in notes[never]
    assert "SIGSEGV" in notes[crashed]
    assert (notes[before], notes[killed]) == ("", "")


def test_list_is_newest_first_and_filtered(cli: CommandLine) -> None:
    ids = [cli.start("--name", name, "--", command) for name, command in (("a", "true"), ("b", "false"), ("a", "true"))]
    cli("wait", *ids)
    assert [row["job_id"] for row in cli.listed()] == ids[::-1]
    assert [row["job_id"] for row in cli.listed("--limit", "1")] == ids[2:]
    assert [row["job_id"] for row in cli.listed("--status", "failed")] == [ids[1]]
    assert [row["job_id"] for row in cli.listed("--name", "a", "--status", "failed,completed")] == [
        ids[2],
        ids[0],
    ]
    assert cli.listed("--name", "nobody") == []


def test_all_lifts_the_limit(cli: CommandLine) -> None:
    ids = {cli.start("--", "true") for _ in range(3)}
    assert {row["job_id"] for row in cli.listed("--limit", "2", "--all")} == ids


def test_a_piped_list_is_tab_separated_and_plain(cli: CommandLine) -> None:
    job_id = cli.start("--name", "x", "--", "printf '\033[31m'\nexit 3")
    cli("wait", job_id)
    head, row = cli.ok("list").splitlines()
    assert head.split("\t") == [
        *(
            "JOB",
            "NAME",
            "STATUS",
            "EXIT",
            "AGE",
            "TOOK",
            "LEFT",
            "SILENT",
            "PROJECT",
            "CWD",
            "PLACE",
            "NOTE",
            "COMMAND",
        )
    ]
    cells = row.split("\t")
    assert cells[:4] == [job_id, "x", "failed", "3"]
    assert cells[-1] == "printf '\\x1b[31m' ↵ exit 3"


def test_people_get_a_table_in_colours(cli: CommandLine) -> None:
    job_id = cli.start("--", "true " + "long " * 100)
    cli.ok("wait", job_id)
    child, terminal = on_terminal(cli, "list")
    text = read_until(terminal, b"true long").decode()
    assert end_of(child)[0] == 0
    os.close(terminal)
    assert job_id in text  # it is the command that gives way
    assert "\x1b[32mcompleted" in text
    assert "\t" not in text


def test_people_get_a_sentence_when_a_job_is_started(cli: CommandLine) -> None:
    child, terminal = on_terminal(cli, "run", "--name", "nice", "--", "true")
    text = read_until(terminal, b"\n").decode()
    assert end_of(child)[0] == 0
    os.close(terminal)
    assert "`nice` started (pid " in text


def test_the_live_view_shows_changes_until_it_is_interrupted(cli: CommandLine) -> None:
    job_id = cli.start("--", "sleep", "60")
    child, terminal = on_terminal(cli, "list", "--watch")
    read_until(terminal, b"running")
    cli.ok("kill", job_id)
    read_until(terminal, b"killed")
    child.send_signal(signal.SIGINT)
    read_until(terminal, b"\x1b[?1049l")
    assert end_of(child)[0] == 130
    os.close(terminal)


def test_the_live_view_needs_a_terminal(cli: CommandLine) -> None:
    done = cli("list", "--watch")
    assert done.returncode == 2
    assert b"--watch" in done.stderr


def test_status_tells_what_a_job_does_now(cli: CommandLine) -> None:
    # For a moment, what is left is a copy of the shell.
    job_id = cli.start("--", "sleep 60 & until grep -qa ^sleep /proc/$!/cmdline; do :; done; exit 4")
    child = cli.open("wait", job_id)
    assert b"left in the background" in line_of(child.stderr)
    status = cli.status(job_id)
    assert status["status"] == "running"
    left = status["processes"][0]["pid"]
    assert status["note"].startswith(f"shell exited 4, 1 background process alive: {left} `sleep 60`; ")
    assert [process["command"] for process in status["processes"]] == ["sleep 60"]
    cli.ok("kill", job_id)
    end_of(child)


def test_status_for_a_pipe_is_aligned_text(cli: CommandLine) -> None:
    job_id = cli.start("--", "exit 3")
    cli("wait", job_id)
    lines = dict(line.split(maxsplit=1) for line in cli.ok("status", job_id).splitlines())
    assert lines["job_id"] == job_id
    assert lines["status"] == "failed"
    assert lines["exit_code"] == "3"


def test_the_doctor_shows_settings_and_where_they_come_from(cli: CommandLine) -> None:
    cli.environment |= {"MCP_BG_MAX_JOBS": "3", "MCP_BG_MAXJOBS": "4", "MCP_BG_SHELL": "/bin/bash  -e"}
    cli.ok("wait", cli.start("--", "true"))
    found = cli.json("doctor")
    settings = {item["variable"]: (item["value"], item["source"]) for item in found["settings"]}
    assert settings["MCP_BG_MAX_JOBS"] == ("3", "environment")
    assert settings["MCP_BG_SHELL"] == ("/bin/bash -e", "environment")
    assert found["environment"] == "server"
    assert found["state_dir"]["mode"] == "0700"
    assert found["jobs"] == {"live": 0, "queued": 0, "total": 1}
    assert [text.split()[0] for text in found["warnings"]] == ["MCP_BG_MAXJOBS"]
    assert found["problems"] == []
    told = cli.ok("doctor")
    assert told.splitlines()[2] == "nothing is wrong"
    sections = [line for line in told.splitlines() if line and not line.startswith(" ")]
    assert sections.index("warnings") < sections.index("state directory") < sections.index("settings")
    assert ["MCP_BG_MAX_JOBS", "3", "(environment)"] in [line.split() for line in told.splitlines()]
    assert "MCP_BG_KEEP_DAYS" not in told
    assert "subreaper" not in told
    everything = cli.ok("doctor", "--all")
    assert "MCP_BG_KEEP_DAYS" in everything
    assert "subreaper" in everything


def test_the_doctor_says_of_each_client_whether_it_has_the_stop_hook(cli: CommandLine, tmp_path: Path) -> None:
    cli.environment |= {"HOME": str(tmp_path), "CODEX_HOME": str(tmp_path / "codex")}
    for variable in ("CLAUDE_CONFIG_DIR", "GEMINI_CLI_HOME", "XDG_CONFIG_HOME"):
        cli.environment.pop(variable, None)
    for arguments in (["codex"], ["gemini", "--no-hooks"], ["zed"]):
        cli.ok("install", *arguments, "--command", "/bin/false")
    done = cli("doctor")
    assert done.returncode == 1
    told = {line.split()[0]: line for line in done.stdout.decode().splitlines() if line.startswith("  ")}
    assert "; has the stop hook  (" in told["codex"]
    assert "; has no stop hook: the end of a job does not wake its model; install gemini adds it" in (told["gemini"])
    assert "hook" not in told["zed"]


def test_the_doctor_says_which_tools_a_server_would_offer_and_why(cli: CommandLine) -> None:
    chosen = cli("doctor", env={"COMFYUI_DIR": "/opt/renders"}).stdout.decode()
    assert "offered: COMFYUI_DIR is set" in chosen
    assert "offered: always" in chosen
    said = cli("doctor", "--json", env={"MCP_BG_TOOLSETS": "runs"})
    assert [known["toolset"] for known in json.loads(said.stdout)["toolsets"] if known["is_offered"]] == ["runs"]


def test_the_doctor_tells_no_secrets(cli: CommandLine) -> None:
    cli.environment["MCP_BG_HTTP_TOKEN"] = "hush"
    assert "hush" not in cli.ok("doctor")
    assert "hush" not in cli.ok("doctor", "--json")


def test_the_doctor_finds_a_state_directory_that_cannot_be_used(cli: CommandLine) -> None:
    cli.state_dir.write_text("a file")
    done = cli("doctor", "--json")
    assert done.returncode == 1
    assert "cannot be used" in json.loads(done.stdout)["problems"][0]
    cli.state_dir.unlink()


def test_the_doctor_finds_an_index_that_cannot_be_used(cli: CommandLine) -> None:
    job_id = cli.start("--", "true")
    cli.ok("wait", job_id)
    for path in cli.state_dir.glob("jobs.sqlite3*"):
        path.unlink(missing_ok=True)
    (cli.state_dir / "jobs.sqlite3").mkdir()
    done = cli("doctor", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["jobs"]["total"] == 1
    assert [row["job_id"] for row in cli.listed()] == [job_id]


def test_a_command_of_several_lines_is_one_line_in_a_list_and_whole_in_a_status(cli: CommandLine) -> None:
    job_id = cli.start("--", "echo a\n\n  echo  b")
    assert "echo a ↵ echo b" in cli.ok("list")
    assert cli.status(job_id)["command"] == "echo a\n\n  echo  b"
    lines = [line.strip() for line in cli.ok("status", job_id).splitlines()]
    assert lines[lines.index("command           echo a") + 2] == "echo  b"


def test_a_list_holds_the_beginning_of_a_long_command_and_a_status_all_of_it(cli: CommandLine) -> None:
    command = f": {'x' * 100_000}"
    job_id = cli.start("--", command)
    (row,) = cli.listed()
    assert len(row["command"]) == 80
    assert row["command"].endswith("x…")
    assert cli.status(job_id)["command"] == command


@pytest.mark.parametrize("command", ["status", "logs", "wait", "kill", "restart"])
def test_a_name_with_bytes_that_are_no_utf8_names_no_job(cli: CommandLine, command: str) -> None:
    done = cli(command, os.fsdecode(b"bad\xff"))

    assert done.returncode == 8
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("mcp-background-job: there is no job 'bad")
