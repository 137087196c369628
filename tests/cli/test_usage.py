from __future__ import annotations

import json
import signal
import subprocess

import pytest

from mcp_background_job import __version__
from tests.cli.command_line import CommandLine, end_of, line_of
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.real_process

COMMANDS = [
    "run",
    "list",
    "status",
    "logs",
    "wait",
    "send",
    "kill",
    "restart",
    "prune",
    "comfyui",
    "serve",
    "places",
    "doctor",
    "exit-codes",
    "demo",
    "completion",
]


def only_line(text: bytes) -> str:
    lines = text.decode().splitlines()
    assert len(lines) == 1, text
    assert lines[0].startswith("mcp-background-job: ")
    return lines[0]


def test_an_unknown_job_is_told_in_one_line_with_the_nearest(cli: CommandLine) -> None:
    cli.ok("wait", cli.start("--name", "train", "--", "true"))
    for command in ("status", "logs", "wait", "restart", "kill"):
        done = cli(command, "trian")
        assert done.returncode == 8
        assert "no job 'trian'" in only_line(done.stderr)
        assert "train" in only_line(done.stderr)


def test_an_unknown_job_that_resembles_none_is_answered_with_how_to_list_them(cli: CommandLine) -> None:
    assert "there are no jobs yet" in only_line(cli("status", "nosuch").stderr)
    job = cli.start("--name", "vite", "--", "true")
    for command in ("status", "logs", "kill"):
        told = only_line(cli(command, "nosuch").stderr)
        assert "mcp-background-job list shows" in told
        assert job not in told
        assert "vite" not in told


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (["logs", "x", "--json"], None),
        (["logs", "x", "--timestamp"], "--timestamps"),
        (["prune", "--older"], "--older-than"),
        (["list", "--quiet"], None),
        (["comfyui", "submit", "x.json", "--overide", "a"], "--override"),
    ],
)
def test_of_an_unknown_option_only_one_that_resembles_it_is_suggested(
    cli: CommandLine, arguments: list[str], near: str | None
) -> None:
    told = only_line(cli(*arguments).stderr)
    assert "Did you mean" not in told
    assert ("o you mean" in told) == (near is not None), told
    assert near is None or f"o you mean {near}?" in told


def test_a_bad_setting_is_told_in_one_line(cli: CommandLine) -> None:
    for command in (["list"], ["doctor"], ["run", "--", "true"], ["serve"], []):
        done = cli(*command, env={"MCP_BG_MAX_JOBS": "many"})
        assert done.returncode == 2
        assert "MCP_BG_MAX_JOBS='many'" in only_line(done.stderr)


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["list", "--no-such-option"],
        ["list", "--limit", "few"],
        ["list", "--limit", "0"],
        ["list", "--status", "happy"],
        ["kill"],
        ["run"],
        ["run", "--"],
        ["run", "--env", "NOVALUE", "--", "true"],
        ["run", "--name", "no spaces", "--", "true"],
        ["run", "--timeout", "soon", "--", "true"],
        ["run", "--cwd", "/no/such/place", "--", "true"],
        ["wait", "x", "--until", "("],
        ["wait", "x", "--until", "idle:never"],
        ["wait", "x", "--timeout=-1"],
        ["logs", "x", "--raw", "--grep", "a"],
        ["logs", "x", "--grep", "("],
        ["logs", "x", "--lines=-1"],
        ["prune", "--all", "--older-than", "1d"],
        ["completion", "--shell", "tcsh"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_told_in_one_line(cli: CommandLine, arguments: list[str]) -> None:
    done = cli(*arguments)
    assert done.returncode == 2
    assert done.stdout == b""
    only_line(done.stderr)


def test_a_mistyped_command_is_recognised(cli: CommandLine) -> None:
    assert "do you mean prune?" in only_line(cli("prun").stderr)


def test_help_names_every_command_in_plain_text(cli: CommandLine) -> None:
    text = cli.ok("--help")
    for command in COMMANDS:
        assert f"  {command}: " in text
    assert "\x1b" not in text
    assert "╭" not in text


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "demo"])
def test_every_command_has_help_for_every_option(cli: CommandLine, command: str) -> None:
    text = cli.ok(command, "--help")
    assert text.startswith(f"Usage: mcp-background-job {command}")
    options = [line for line in text.splitlines() if line.startswith("  --")]
    assert all(": " in line and ": [default" not in line for line in options)


def test_help_into_a_pipe_is_wrapped_to_no_width_and_not_filled_up(cli: CommandLine) -> None:
    texts = [cli("run", "--help", env={"COLUMNS": columns}).stdout.decode() for columns in ("40", "200")]
    assert texts[0] == texts[1]
    assert "  --timeout FLOAT: Stop the job after this time, in seconds or as 5m, 2h.\n" in texts[0]
    assert not [line for line in texts[0].splitlines() if line != line.rstrip()]


def test_the_exit_codes_that_help_names_can_be_printed(cli: CommandLine) -> None:
    named = cli.ok("kill", "--help").splitlines()[-1].removeprefix("Exit codes: mcp-background-job ")
    everything = cli.ok(*named.split())
    assert all(f"  {code} " in everything for code in ("0", "124", "128+n", "any other"))
    of_comfyui = cli.ok(*named.split(), "comfyui", "cancel")
    assert "  5 " in of_comfyui
    assert "  5 " not in cli.ok(*named.split(), "kill")
    assert of_comfyui in everything
    assert "no command 'kil'" in only_line(cli(*named.split(), "kil").stderr)


def test_the_version_is_told(cli: CommandLine) -> None:
    assert cli.ok("--version").strip() == __version__


@pytest.mark.parametrize("arguments", [[], ["serve"]])
def test_it_speaks_mcp_until_stdin_is_closed(cli: CommandLine, arguments: list[str]) -> None:
    child = cli.open(*arguments)
    initialize(child)
    assert end_of(child)[0] == 0


def test_ctrl_c_ends_a_server_that_reads_stdin(cli: CommandLine) -> None:
    child = cli.open("serve")
    initialize(child)
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=PATIENCE_S) == -signal.SIGINT


def initialize(child: subprocess.Popen[bytes]) -> None:
    parameters = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    request = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": parameters}
    assert child.stdin
    child.stdin.write(json.dumps(request).encode() + b"\n")
    child.stdin.flush()
    assert "serverInfo" in json.loads(line_of(child.stdout))["result"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_completion(cli: CommandLine, shell: str) -> None:
    text = cli.ok("completion", "--shell", shell)
    assert "restart" in text
    assert "mcp-background-job" in text


def test_a_program_that_asks_for_json_gets_errors_as_json_with_their_codes(cli: CommandLine) -> None:
    for arguments, code in (
        (["status", "--json", "nobody"], "unknown_job"),
        (["wait", "nobody", "--json"], "unknown_job"),
        (["list", "--json", "--no-such-option"], "invalid_request"),
        (["run", "--follow", "--json", "--", "true"], "invalid_request"),
    ):
        done = cli(*arguments)
        told = json.loads(done.stdout)["error"]
        assert told["code"] == code
        assert told["message"] in only_line(done.stderr)
    assert cli("status", "nobody").stdout == b""
    assert cli("logs", "nobody", "--", "--json").stdout == b""


def test_errors_speak_of_options(cli: CommandLine) -> None:
    assert "--timeout 0: a time limit" in only_line(cli("run", "--timeout", "0", "--", "true").stderr)
    assert "--until port:0: a port" in only_line(cli("wait", "x", "--until", "port:0").stderr)


def test_options_of_a_command_are_sent_behind_two_hyphens(cli: CommandLine) -> None:
    assert "run -- COMMAND" in only_line(cli("run", "ls", "-la").stderr)
    assert "run -- COMMAND" not in only_line(cli("list", "--no-such-option").stderr)


def test_help_keeps_backslashes(cli: CommandLine) -> None:
    assert "ctrl-\\ or eof" in cli.ok("send", "--help")


def test_a_pipe_is_told_that_a_job_of_this_name_runs_already(cli: CommandLine) -> None:
    first = cli("run", "--name", "dev", "--", "sleep 60")
    second = cli("run", "--name", "dev", "--", "sleep 60")
    assert second.stdout == first.stdout
    assert first.stderr == b""
    assert "`dev` is running already" in only_line(second.stderr)
