"""A stop hook waits for what its own conversation has started, and never gets into a client's way."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.core.hooks import HookClient
from mcp_background_job.jobdir.layout import StateDir
from tests.cli.command_line import CommandLine
from tests.patience import WAIT_S

TALKER = Path(__file__).parents[2] / "nursery" / "talker.py"

#: Not from the nursery: whose children the processes are is the point.
PROGRAM = [sys.executable, "-m", "mcp_background_job"]

#: So that no test waits where a hook should let go.
PATIENT = ("--max", "50")


class Talker:
    """A client in a project; see ``tests.nursery.talker``."""

    def __init__(self, cli: CommandLine, project: Path) -> None:
        project.mkdir(exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, str(TALKER), *PROGRAM],
            env=cli.environment,
            cwd=project,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def order(self, **order: Any) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{json.dumps(order)}\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        self.order(call=tool, **{"with": arguments})
        return self.answer()

    def start(self, command: str, **arguments: Any) -> str:
        return str(self.call("execute_command", command=command, wait_s=0, **arguments)["job_id"])

    def begin_hook(self, client: HookClient = HookClient.CLAUDE_CODE) -> None:
        self.order(hook=shlex.join([*PROGRAM, "hook", "stop", "--client", client, *PATIENT]), says="{}")

    def hook(self, client: HookClient = HookClient.CLAUDE_CODE) -> dict[str, Any]:
        self.begin_hook(client)
        return self.answer()

    def close(self) -> None:
        self._process.communicate(timeout=WAIT_S)


@pytest.fixture
def talkers(cli: CommandLine, tmp_path: Path) -> Iterator[tuple[Talker, Talker]]:
    """Two clients in one project."""
    both = Talker(cli, tmp_path / "project"), Talker(cli, tmp_path / "project")
    yield both
    for talker in both:
        talker.close()


@pytest.mark.real_process
def test_a_hook_tells_its_own_conversation_of_its_own_jobs_and_once(
    talkers: tuple[Talker, Talker], tmp_path: Path
) -> None:
    one, other = talkers
    mine, theirs = (
        talker.start(f"until [ -e {tmp_path}/{go} ]; do sleep 0.05; done; exit {code}", name=go)
        for talker, go, code in ((one, "fit", 3), (other, "sweep", 0))
    )
    one.begin_hook()
    (tmp_path / "sweep").touch()
    assert f"job {theirs} `sweep` completed" in json.loads(other.hook(HookClient.CURSOR)["out"])["followup_message"]
    (tmp_path / "fit").touch()

    said = json.loads(one.answer()["out"])
    assert said["decision"] == "block"
    assert f"job {mine} `fit` failed, exit 3" in said["reason"]
    assert theirs not in said["reason"]
    assert one.hook() == other.hook() == {"code": 0, "out": "", "err": ""}
    assert "endings" not in one.call("list_jobs", name="nobody")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--client", "claude-code"], b"neither JSON nor anything"),
        (["--client", "emacs"], b"{}"),
        (["--client", "codex", "--max", "soon"], b"{}"),
        (["--client", "codex"], b"{}"),  # and its store of news is none
    ],
)
def test_whatever_goes_wrong_a_hook_prints_nothing_and_exits_with_0(
    cli: CommandLine, arguments: list[str], said: bytes
) -> None:
    cli.state_dir.mkdir(mode=0o700)
    Path(StateDir(str(cli.state_dir)).news).write_bytes(os.urandom(8192))

    done = cli("hook", "stop", *arguments, stdin=said)

    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.startswith(b"mcp-background-job: hook stop: ")


def test_a_hook_makes_no_state_directory(cli: CommandLine) -> None:
    done = cli("hook", "stop", "--client", "gemini", stdin=b"{}")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert not cli.state_dir.exists()
