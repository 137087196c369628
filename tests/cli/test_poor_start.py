"""Started with less than usual: closed streams, no home, no name. It works, or a sentence says what is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mcp_background_job.config import load_settings
from mcp_background_job.errors import ConfigError, StateDirError
from mcp_background_job.web.secret import secret_of
from tests.cli.command_line import CommandLine
from tests.patience import PATIENCE_S, WAIT

pytestmark = pytest.mark.real_process


def _without(cli: CommandLine, closed: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command line with some of its streams closed."""
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-m", "mcp_background_job", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=cli.environment,
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.mark.parametrize(("closed", "which"), [("<&-", "stdin is"), ("<&- >&-", "stdin and stdout are")])
def test_a_server_without_a_client_says_so(cli: CommandLine, closed: str, which: str) -> None:
    done = _without(cli, closed)
    assert (done.returncode, done.stdout) == (2, b"")
    assert f"{which} closed".encode() in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_a_command_with_all_streams_closed_works_and_writes_into_no_file(cli: CommandLine) -> None:
    done = _without(cli, "<&- >&- 2>&-", "run", "--name", "poor", "--", "echo works")
    assert done.returncode == 0
    cli.ok("wait", "poor", "--timeout", WAIT)
    assert cli.ok("logs", "poor") == "works\n"


def test_without_a_home_a_sentence_says_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("MCP_BG_STATE_DIR", "XDG_STATE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", "")
    with pytest.raises(ConfigError, match=r"MCP_BG_STATE_DIR=.*no home directory"):
        load_settings()
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os.path, "expanduser", str)  # as for a user of no name
    with pytest.raises(ConfigError, match=r"MCP_BG_STATE_DIR=.*no home directory"):
        load_settings()
    assert load_settings(state_dir=str(tmp_path)).state_dir == str(tmp_path)


_NO_TOKEN: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b"\n"),
    "no text": lambda path: path.write_bytes(b"\xff\xfe"),
    "two words": lambda path: path.write_bytes(b"a b"),
    "a dangling link": lambda path: path.symlink_to("/nowhere/at/all"),
    "a directory": lambda path: path.mkdir(),
}


@pytest.mark.parametrize("what", _NO_TOKEN)
def test_a_token_that_is_none_is_an_error_that_names_the_file(state_dir: str, what: str) -> None:
    path = Path(state_dir, "http-token")
    path.parent.mkdir()
    _NO_TOKEN[what](path)
    with pytest.raises(StateDirError, match=r"http-token.*MCP_BG_HTTP_TOKEN"):
        secret_of(load_settings(state_dir=state_dir))
    assert [file.name for file in path.parent.iterdir()] == ["http-token"]


def test_a_token_is_made_once(state_dir: str) -> None:
    Path(state_dir).mkdir()
    settings = load_settings(state_dir=state_dir)
    token = secret_of(settings)
    assert len(token) > 40
    assert secret_of(settings) == token
