"""A server on another machine, which its client starts over ssh: a line that breaks ends no job.

The other machine is this one, with an sshd of its own on loopback.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from bench.client import ServerProcess, facts_of, text_of
from tests.conftest import Liveness, processes_of
from tests.patience import PATIENCE_S, WAIT_S, wait_until
from tests.ports import lasting_ports

pytestmark = pytest.mark.real_process

_SSHD = "/usr/sbin/sshd"

_CONFIGURATION = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {directory}/host
PidFile none
AuthorizedKeysFile {directory}/client.pub
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
"""


#: How a server on the box is started.
_SERVER = [sys.executable, "-m", "mcp_background_job"]


class OverSsh(ServerProcess):
    """A server on the box, at the far end of a line to it."""

    def __init__(self, line: list[str], state_dir: str) -> None:
        settings = ["env", f"MCP_BG_STATE_DIR={state_dir}", "MCP_BG_LOGIN_ENV=never", "MCP_BG_PLACES=local"]
        super().__init__([*line, *settings, *_SERVER], dict(os.environ), answer_timeout_s=WAIT_S + PATIENCE_S)

    def facts(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool and return the structured part of its result."""
        return facts_of(self.call(tool, **arguments))


@pytest.fixture
def line(tmp_path: Path, state_dir: str) -> Generator[list[str]]:
    """The command line of an ssh to the box, without what is to be run there."""
    assert state_dir  # which looks for what is left when this line has been taken down
    shell = os.path.basename(pwd.getpwuid(os.getuid()).pw_shell)
    if not os.path.exists(_SSHD) or not shutil.which("ssh") or shell in ("nologin", "false"):
        pytest.skip("no sshd is installed, or this user may not log in")
    if os.getuid() == 0 and not os.path.isdir("/run/sshd"):
        pytest.skip("sshd misses the directory /run/sshd")
    for key in ("host", "client"):
        subprocess.run(["/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / key], check=True)
    (port,) = lasting_ports(1)
    (tmp_path / "sshd").write_text(_CONFIGURATION.format(port=port, directory=tmp_path))
    sshd = subprocess.Popen([_SSHD, "-D", "-e", "-f", tmp_path / "sshd"], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _listens(port), "sshd listens")
        options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
        chosen = [word for option in options for word in ("-o", option)]
        yield ["ssh", "-F", "none", "-i", str(tmp_path / "client"), "-p", str(port), *chosen, "127.0.0.1"]
    finally:
        sshd.terminate()
        sshd.wait(PATIENCE_S)


def _listens(port: int) -> bool:
    with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def test_a_job_outlives_the_line_and_the_next_line_finds_it_as_it_is(
    line: list[str], state_dir: str, liveness: Liveness
) -> None:
    command = liveness.script("worker", "connect('worker')\nprint('up', flush=True)\nhang()")
    server = OverSsh(line, state_dir)
    server.initialize("test")
    job_id = server.facts("execute_command", command=command, wait_s=0)["job_id"]
    liveness.expect("worker")
    assert len(_servers(state_dir)) == 1
    server.kill()  # ssh is gone, as if the line had broken
    wait_until(lambda: not _servers(state_dir), "the end of the server at the far end")
    liveness.assert_alive("worker")
    with OverSsh(line, state_dir) as again:
        assert again.facts("get_job_status", job_id=job_id)["status"] == "running"
        assert "up" in text_of(again.call("tail_job_output", job_id=job_id))
        assert again.facts("kill_job", job_id=job_id)["status"] == "killed"
    liveness.assert_dead("worker")


def _servers(state_dir: str) -> list[int]:
    return [pid for pid, command in processes_of(state_dir).items() if command == " ".join(_SERVER)]
