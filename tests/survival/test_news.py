"""Whoever started a job is told of its end, once, and nobody else is."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.client import ServerProcess, facts_of
from tests.nursery.starts import program
from tests.patience import WAIT_S

pytestmark = pytest.mark.real_process

#: A server whose client is the process of this test: several of these, one after another, have one conversation.
_OF_THIS_PROCESS = (sys.executable, "-m", "mcp_background_job")

#: A server whose client is a process of its own, and that ends, and is gone, before this command does.
_OF_ANOTHER = (
    sys.executable,
    "-c",
    "import subprocess, sys; subprocess.run([sys.executable, '-m', 'mcp_background_job'])",
)


class Client:
    """A client in a project; unless told otherwise, with a process of its own in the nursery: its conversation."""

    def __init__(self, project: Path, command: Sequence[str] = (), claimed: str | None = None) -> None:
        env = {key: value for key, value in os.environ.items() if key != "PWD"} | ({"PWD": claimed} if claimed else {})
        self._server = ServerProcess(command or program(), env, str(project), answer_timeout_s=2 * WAIT_S)
        self._server.initialize()

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        return facts_of(self._server.call(tool, **arguments))

    def start(self, command: str, **arguments: Any) -> str:
        return str(self.call("execute_command", command=command, wait_s=0, **arguments)["job_id"])

    def told(self) -> list[str]:
        """Return the ids of the jobs whose ends are told with the next answer."""
        answer = self.call("list_jobs", name="nobody")
        return [sentence.split()[0] for sentence in answer.get("endings", [])]

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def projects(state_dir: str, tmp_path: Path) -> list[Path]:
    assert state_dir
    found = [tmp_path / name for name in ("alpha", "beta")]
    for project in found:
        (project / ".git").mkdir(parents=True)
        (project / "src").mkdir()
    return found


@pytest.fixture
def go(tmp_path: Path) -> Path:
    return tmp_path / "go"


def once_there(go: Path, exit_code: int = 3) -> str:
    """Return a command that ends when there is this file: an end that comes at once is told with the job's start."""
    return f"until [ -e {go} ]; do sleep 0.05; done; exit {exit_code}"


def wait_for(client: Client, job_id: str) -> None:
    """Wait for a job by a client to whom its end is no news."""
    client.call("wait_for_job", job_id=job_id, wait_s=WAIT_S)


def test_an_end_is_told_in_its_project_and_not_in_another_and_over_restarts(projects: list[Path], go: Path) -> None:
    alpha, beta = Client(projects[0], _OF_THIS_PROCESS), Client(projects[1])
    job_id = alpha.start(once_there(go))
    go.touch()
    wait_for(beta, job_id)
    alpha.close()
    assert beta.told() == []

    elsewhere = projects[0] / "src"  # another directory of the same repository
    alpha = Client(elsewhere, _OF_THIS_PROCESS, claimed="/somewhere/else")
    assert alpha.told() == [job_id]
    assert alpha.told() == []
    alpha.close()

    alpha = Client(projects[0], _OF_THIS_PROCESS)
    assert alpha.told() == []
    for client in (alpha, beta):
        client.close()


def test_an_end_that_an_answer_shows_is_not_told_again(projects: list[Path], go: Path) -> None:
    client = Client(projects[0])
    job_id = client.start(once_there(go))
    go.touch()
    assert "endings" not in client.call("wait_for_job", job_id=job_id, wait_s=WAIT_S)
    assert client.told() == []
    client.close()


def test_of_two_conversations_the_one_that_asked_is_told(projects: list[Path], go: Path) -> None:
    asks, other, observer = Client(projects[0]), Client(projects[0]), Client(projects[1])
    job_id = asks.start(once_there(go))
    go.touch()
    wait_for(observer, job_id)
    assert other.told() == []
    assert asks.told() == [job_id]
    for client in (asks, other, observer):
        client.close()


def test_what_a_conversation_that_is_over_had_started_is_told_to_the_next(projects: list[Path], go: Path) -> None:
    asks, other, observer = Client(projects[0], _OF_ANOTHER), Client(projects[0]), Client(projects[1])
    job_id = asks.start(once_there(go))
    asks.close()
    go.touch()
    wait_for(observer, job_id)
    assert other.told() == [job_id]
    assert other.told() == []
    for client in (other, observer):
        client.close()


def test_many_ends_are_summed_up_and_told_once(projects: list[Path], go: Path) -> None:
    client, observer = (Client(project) for project in projects)
    jobs = [client.start(once_there(go, number)) for number in range(1, 9)]
    go.touch()
    for job_id in jobs:
        wait_for(observer, job_id)
    answer = client.call("list_jobs", name="nobody")
    assert answer["endings"][0] == "3 more jobs ended (list_jobs)"
    assert len(answer["endings"]) == 6
    assert client.told() == []
    for one in (client, observer):
        one.close()


def test_a_store_that_is_no_database_costs_no_answer(projects: list[Path], go: Path, state_dir: str) -> None:
    Path(state_dir).mkdir()
    (Path(state_dir) / "news.sqlite3").write_bytes(b"not a database" * 100)
    client, observer = (Client(project) for project in projects)
    job_id = client.start(once_there(go))
    go.touch()
    wait_for(observer, job_id)
    assert client.told() == [job_id]
    for one in (client, observer):
        one.close()


def test_a_removed_job_is_no_news(projects: list[Path], go: Path, state_dir: str) -> None:
    client, observer = (Client(project) for project in projects)
    job_id = client.start(once_there(go))
    go.touch()
    wait_for(observer, job_id)
    directory = Path(state_dir) / "jobs" / job_id
    for file in directory.iterdir():
        file.unlink(missing_ok=True)  # its runner may take its socket away at this moment
    directory.rmdir()
    assert client.told() == []
    for one in (client, observer):
        one.close()
