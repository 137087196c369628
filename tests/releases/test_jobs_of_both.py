"""Each release sees, waits for, talks to, kills and queues the jobs of the other."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.client import ServerProcess, facts_of, text_of
from mcp_background_job.jobdir.layout import StateDir
from tests.patience import WAIT_S
from tests.releases.conftest import Serve

pytestmark = pytest.mark.real_process

#: Who starts a job, and who looks at it.
PAIRS = [("1.0.0", "ours"), ("ours", "1.0.0")]
both_ways = pytest.mark.parametrize(("one", "other"), PAIRS)


def ask(server: ServerProcess, tool: str, **arguments: Any) -> dict[str, Any]:
    return facts_of(server.call(tool, **arguments))


def start(server: ServerProcess, command: str, **arguments: Any) -> str:
    return ask(server, "execute_command", command=command, wait_s=0, **arguments)["job_id"]


def status(server: ServerProcess, reference: str) -> dict[str, Any]:
    return ask(server, "get_job_status", job_id=reference)


def listed(server: ServerProcess, **choice: Any) -> dict[str, str]:
    return {row["job_id"]: row["status"] for row in ask(server, "list_jobs", **choice)["jobs"]}


def listed_as_queued(*, ours: ServerProcess, theirs: ServerProcess) -> list[set[str]]:
    """Return the jobs that each of two servers lists as queued.

    Release 1.0.0 keeps house when it starts. If it meets a job then that is recorded and not yet queued, it lists it as
    running until this release has looked, which is therefore asked first.
    """
    return [set(listed(server, status="queued")) for server in (ours, theirs)]


def wait(server: ServerProcess, job_id: str, **arguments: Any) -> dict[str, Any]:
    return ask(server, "wait_for_job", job_id=job_id, wait_s=WAIT_S, **arguments)


def test_each_server_is_of_the_release_that_is_meant(python: Callable[..., str], trees: dict[str, Path]) -> None:
    for release, tree in trees.items():
        found = python(release, "import mcp_background_job; print(mcp_background_job.__file__)")
        assert Path(found).is_relative_to(tree)


def test_a_port_is_seen_to_be_that_of_an_older_job_and_of_no_other(serve: Serve) -> None:
    old, ours = serve("1.0.0"), serve("ours")
    listen = "import socket; s = socket.create_server(('127.0.0.5', 0)); print(s.getsockname()[1], flush=True); input()"
    job_id, other = start(old, f'{sys.executable} -c "{listen}"', stdin="pipe"), start(old, "sleep 1000")
    port = int(wait(ours, job_id, until=r"^\d+$")["line"])
    assert wait(ours, job_id, until=f"port:{port}")["why"] == "port"
    assert ask(ours, "wait_for_job", job_id=other, until=f"port:{port}", wait_s=0.2)["why"] == "timeout"
    for each in (job_id, other):
        ask(ours, "kill_job", job_id=each, signal="KILL")


@both_ways
def test_a_job_of_one_is_seen_and_killed_by_the_other(serve: Serve, state_dir: str, one: str, other: str) -> None:
    starter, killer = serve(one, MCP_BG_JOB_ID="jnobody"), serve(other)
    job_id = start(starter, "sleep 1000", name="web")
    assert listed(killer) == {job_id: "running"}
    assert status(killer, "web")["status"] == "running"

    assert ask(killer, "kill_job", job_id=job_id)["status"] == "killed"
    assert status(starter, job_id)["status"] == "killed"
    assert listed(starter, status="killed") == listed(killer, status="killed") == {job_id: "killed"}
    assert os.listdir(StateDir(state_dir).open) == []


@both_ways
def test_a_job_of_one_is_waited_for_by_the_other_after_its_server_was_killed(
    serve: Serve, tmp_path: Path, one: str, other: str
) -> None:
    starter, waiter = serve(one), serve(other)
    flag = tmp_path / "flag"
    job_id = start(starter, f"echo ready; while [ ! -e {flag} ]; do sleep 0.05; done; echo over; exit 3")
    starter.kill()
    assert wait(waiter, job_id, until="ready")["status"] == "running"
    flag.touch()

    ended = wait(waiter, job_id)
    assert (ended["status"], ended["exit_code"]) == ("failed", 3)
    assert text_of(waiter.call("tail_job_output", job_id=job_id)).split()[-2:] == ["ready", "over"]


@both_ways
def test_a_job_of_one_is_talked_to_by_the_other(serve: Serve, one: str, other: str) -> None:
    starter, talker = serve(one), serve(other)
    job_id = start(starter, "read line; echo got $line", stdin="pipe")
    talker.call("interact_with_job", job_id=job_id, input="hello\n")

    assert wait(talker, job_id)["status"] == "completed"
    assert "got hello" in text_of(talker.call("tail_job_output", job_id=job_id))


@both_ways
def test_a_name_means_the_same_to_both(serve: Serve, one: str, other: str) -> None:
    first, second = serve(one), serve(other)
    job_id = start(first, "sleep 1000", name="web")

    assert start(second, "sleep 1000", name="web", if_running="return") == job_id
    replaced = start(second, "sleep 1000", name="web", if_running="restart")
    assert replaced != job_id
    assert status(first, job_id)["status"] == "killed"
    assert start(first, "sleep 1000", name="web", if_running="return") == replaced
    ask(first, "kill_job", job_id="web")


@both_ways
def test_queued_jobs_of_both_run_in_turn_when_the_job_of_either_ends(
    serve: Serve, tmp_path: Path, one: str, other: str
) -> None:
    first, second = serve(one, MCP_BG_MAX_JOBS="1"), serve(other, MCP_BG_MAX_JOBS="1")
    flag, order = tmp_path / "flag", tmp_path / "order"
    running = start(first, f"while [ ! -e {flag} ]; do sleep 0.05; done")
    queued = [
        start(server, f"echo {number} >> {order}") for number, server in enumerate([second, first, second, first])
    ]
    after = start(second, f"echo after >> {order}", after=[queued[-1]])
    ours, theirs = (first, second) if one == "ours" else (second, first)
    assert listed_as_queued(ours=ours, theirs=theirs) == [{*queued, after}] * 2
    first.close()
    second.close()
    flag.touch()

    looker = serve(other)
    assert wait(looker, after)["status"] == "completed"
    assert order.read_text().split() == ["0", "1", "2", "3", "after"]
    assert set(listed(looker).values()) == {"completed"}
    assert running in listed(looker)


def test_a_job_that_release_1_has_recorded_and_is_about_to_queue_is_shown_as_queued_by_both(
    serve: Serve, state_dir: str
) -> None:
    theirs, ours = serve("1.0.0", MCP_BG_MAX_JOBS="1"), serve("ours")
    running, queued = start(theirs, "sleep 1000"), start(theirs, "echo never")
    mark = Path(StateDir(state_dir).queue_mark(queued))
    mark.unlink()  # as it was a moment before
    assert set(listed(ours, status="queued")) == {queued}

    mark.touch()
    assert listed_as_queued(ours=ours, theirs=theirs) == [{queued}] * 2
    for each in (queued, running):
        ask(ours, "kill_job", job_id=each)


@both_ways
def test_a_queued_job_of_one_is_withdrawn_by_the_other(serve: Serve, one: str, other: str) -> None:
    first, second = serve(one, MCP_BG_MAX_JOBS="1"), serve(other, MCP_BG_MAX_JOBS="1")
    running = start(first, "sleep 1000")
    queued = start(first, "echo never")

    assert ask(second, "kill_job", job_id=queued)["status"] == "killed"
    assert status(first, queued)["status"] == "killed"
    ask(second, "kill_job", job_id=running)


@both_ways
def test_the_index_is_made_by_either_and_filled_by_neither_again(
    serve: Serve, state_dir: str, one: str, other: str
) -> None:
    maker = serve(one)
    ids = [start(maker, f"echo {number}") for number in range(5)]
    assert {wait(maker, job_id)["status"] for job_id in ids} == {"completed"}
    maker.close()
    looker = serve(other)
    assert set(listed(looker)) == set(ids)
    looker.close()
    with contextlib.closing(sqlite3.connect(StateDir(state_dir).index)) as index, index:
        index.execute("UPDATE jobs SET command = 'as it was'")  # a row that is made again has another

    for release in (one, other, one, other):
        server = serve(release)
        assert set(listed(server)) >= set(ids)
        assert status(server, start(server, "true"))["status"] in ("running", "completed")
        server.close()
    with contextlib.closing(sqlite3.connect(StateDir(state_dir).index)) as index:
        rows = dict(index.execute("SELECT job_id, command FROM jobs").fetchall())
    assert {rows[job_id] for job_id in ids} == {"as it was"}


def test_what_release_1_does_not_know_of_its_jobs_is_filled_from_their_records(
    serve: Serve, state_dir: str, tmp_path: Path
) -> None:
    ours = serve("ours")
    assert listed(ours) == {}
    theirs = serve("1.0.0")
    job_id = start(theirs, "true")
    wait(theirs, job_id)
    listed(ours)

    # Of its project it knows nothing either: that is where the job ran.
    filled = (str(tmp_path / "project"), "", None, 0)
    with contextlib.closing(sqlite3.connect(StateDir(state_dir).index)) as index:
        assert index.execute("SELECT project, reader, parent, is_own FROM jobs").fetchall() == [filled]
    with open(StateDir(state_dir).job(job_id).spec) as file:
        assert "project" not in json.load(file), "release 1.0.0 is what started it"


def test_a_job_of_1_0_0_that_was_started_inside_one_of_ours_is_no_part_of_it(
    serve: Serve, state_dir: str, release_1: Path
) -> None:
    server = serve("ours")
    variables = f"PYTHONPATH={release_1} PYTHONSAFEPATH=1 MCP_BG_STATE_DIR={state_dir}"
    outer = start(server, f"{variables} {sys.executable} -m mcp_background_job run -- sleep 1000; sleep 1000")
    inner = re.match("j[a-z0-9]+", wait(server, outer, until="^j[a-z0-9]+$")["line"])
    assert inner
    pid = status(server, inner[0])["pid"]
    assert str(pid) not in {line.split()[0] for line in status(server, outer)["processes"]}

    assert ask(server, "kill_job", job_id=outer)["status"] == "killed"

    assert (status(server, inner[0])["status"], status(server, inner[0])["pid"]) == ("running", pid)
    assert ask(server, "kill_job", job_id=inner[0])["status"] == "killed"
