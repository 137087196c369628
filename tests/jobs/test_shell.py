"""Which shell commands are given to, and how."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from mcp_background_job.jobs.inherited import shell
from mcp_background_job.jobs.inherited.environment import plain_output, terminal_output
from mcp_background_job.jobs.inherited.shell import (
    MAX_ARGUMENT,
    argv_of,
    command_from,
    is_too_long,
    shell_for_commands,
    shell_in,
    users_shell,
)


def _system_says(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    def getpwuid(uid: int) -> SimpleNamespace:
        assert uid == os.geteuid()
        return SimpleNamespace(pw_shell=path)

    monkeypatch.setattr(shell, "pwd", SimpleNamespace(getpwuid=getpwuid))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of shells, and a system that knows no others."""
    monkeypatch.setattr(os, "defpath", str(tmp_path))
    _system_says(monkeypatch, "")
    for name in ("bash", "zsh", "fish", "plain"):
        (tmp_path / name).touch(0o755)
    (tmp_path / "plain").chmod(0o644)
    return tmp_path


@pytest.mark.parametrize(
    ("said", "expected"), [("bash", "bash"), ("zsh", "zsh"), ("fish", "bash"), ("plain", "bash"), ("gone", "bash")]
)
def test_the_user_s_shell_is_taken_if_commands_for_bash_run_in_it(here: Path, said: str, expected: str) -> None:
    assert shell_for_commands({"SHELL": str(here / said)}) == str(here / expected)


def test_where_there_is_no_bash_it_is_sh(here: Path) -> None:
    (here / "bash").unlink()

    assert shell_for_commands({"SHELL": str(here / "fish"), "PATH": ".:bin"}) == "/bin/sh"


def test_bash_is_found_on_the_path(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "defpath", "/nowhere")

    assert shell_for_commands({"PATH": f"/nowhere:{here}"}) == str(here / "bash")


@pytest.mark.parametrize("said", ["", "zsh", "/no/such/shell"])
def test_without_a_usable_variable_the_list_of_users_says_it(
    here: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    _system_says(monkeypatch, str(here / "zsh"))

    assert users_shell({"SHELL": said}) == str(here / "zsh")


def test_a_user_of_no_name_has_sh(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert here

    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr(shell, "pwd", SimpleNamespace(getpwuid=unknown))

    assert users_shell({}) == "/bin/sh"


def test_the_shell_is_found_again_in_what_is_executed() -> None:
    assert shell_in(argv_of(("/bin/bash", "-l"), "ls -c x")) == ("/bin/bash", "-l")


@pytest.mark.parametrize("text", ["x", "é", "\udcff"])
def test_the_kernel_s_limit_is_known_to_the_byte(text: str) -> None:
    size = len(os.fsencode(text))
    longest = text * ((MAX_ARGUMENT - 1) // size)
    longest += "x" * (MAX_ARGUMENT - 1 - len(os.fsencode(longest)))
    for argument, fits in ((longest, True), (longest + "x", False)):
        assert is_too_long(argument) is not fits
        try:
            subprocess.run(["/bin/true", argument], check=True)
        except OSError:
            assert not fits
        else:
            assert fits


COMMANDS = {
    "$0 and an exit code": 'echo "$0 $#"; exit 3',
    "syntax error": "if true",
    "syntax error later": "echo a\necho hi; fi",
    "set -e": "set -e; false; echo no",
    "heredoc": "cat <<E\nhi $HOME\nE\n\n",
    "EXIT trap": "trap 'echo bye' EXIT; exit 7",
    "no such command": "no-such-command-here",
    "set -u": "set -u; echo $nope; echo after",
    "exec": "exec sh -c 'exit 4'",
    "killed": "kill -TERM $$",
    "function": "f() { return 5; }; f",
    "stdin": "cat; echo over",
    "quotes": 'echo "it\'s" \'"$HOME"\' \\\\ `echo x`',
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("path", ["/bin/sh", "/bin/bash", "/usr/bin/zsh"])
def test_a_command_in_a_file_does_what_it_does_as_an_argument(tmp_path: Path, path: str, name: str) -> None:
    if not Path(path).exists():
        pytest.skip(f"{path} is not on this machine")
    file = tmp_path / "it's a command"
    file.write_text(COMMANDS[name])

    def outcome(command: str) -> tuple[int, bytes]:
        done = subprocess.run([path, "-c", command], input=b"input\n", capture_output=True, check=False)
        return done.returncode, done.stdout

    assert outcome(command_from(str(file), [path])) == outcome(COMMANDS[name])


@pytest.mark.parametrize(
    ("terminal", "expected"),
    [(None, "xterm-256color"), ("", "xterm-256color"), ("dumb", "xterm-256color"), ("screen", "screen")],
)
def test_a_job_has_the_client_s_terminal_unless_that_can_do_nothing(terminal: str | None, expected: str) -> None:
    assert plain_output({} if terminal is None else {"TERM": terminal})["TERM"] == expected


def test_a_job_on_a_terminal_has_ours() -> None:
    assert terminal_output({"TERM": "vt52"})["TERM"] == "xterm-256color"


def test_a_job_on_a_terminal_is_not_told_the_size_of_the_clients() -> None:
    output = terminal_output({"COLUMNS": "80", "LINES": "24"})
    assert (output["COLUMNS"], output["LINES"]) == ("160", "50")
    assert not {"COLUMNS", "LINES"} & set(terminal_output({}))


@pytest.mark.parametrize("output", [plain_output, terminal_output])
def test_no_job_has_a_pager(output: Callable[[dict[str, str]], dict[str, str]]) -> None:
    inherited = {"PAGER": "less", "PSQL_PAGER": "pspg", "PAGERS": "x"}

    there = {**inherited, **output(inherited)}

    assert [there[name] for name in ("PAGER", "GIT_PAGER", "PSQL_PAGER", "PAGERS")] == ["cat", "cat", "cat", "x"]
