"""Messages between agents: who is meant, from any server, and what clients of the tools meet."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client

from mcp_background_job.agents.life.results import Run
from mcp_background_job.agents.mail.post import Letter
from mcp_background_job.agents.runs import RunManager
from mcp_background_job.app import build, build_runs
from mcp_background_job.config import load_settings
from mcp_background_job.core.naming import Asker
from mcp_background_job.core.run import RunStatus
from mcp_background_job.errors import ForeignNameError, UnknownRunError
from mcp_background_job.jobdir.layout import JOB_ID_VARIABLE
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.server.build import build_server
from tests.agents.fake_agents import Agents, events_until, of
from tests.server.calls import Caller

pytestmark = pytest.mark.real_process

SOMEBODY = Asker("", changes=True)

#: What the orchestration server whose tools these are promises to return.
AGENT = {"agent_name", "role", "session_id", "status", "cwd", "last_run_id", "updated_at"}
SENT = {"message_id", "to_agent_name", "to_session_id", "seq", "created_at"}
FETCHED = {"agent_name", "session_id", "messages", "next_after_seq"}
MESSAGE = SENT | {"from_agent_name", "from_session_id", "body", "metadata"}


def _saying(text: str) -> dict[str, Any]:
    return {"role": "user", "parts": [{"type": "text", "text": text}]}


def _texts(messages: list[dict[str, Any]]) -> list[str]:
    return [message["body"]["parts"][0]["text"] for message in messages]


async def _ran(runs: RunManager, agents: Agents, name: str, **values: Any) -> Run:
    """Return a run that is over, of an agent of this name."""
    run = await runs.spawn(replace(agents.command("true"), nickname=name, **values))
    await events_until(runs, run)
    return run


@asynccontextmanager
async def _within(run: Run, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[RunManager]:
    """What a program of this run's agent has: a manager that knows in which job it is."""
    monkeypatch.setenv(JOB_ID_VARIABLE, run.record.job_id)
    manager = build(load_settings())
    runs = build_runs(manager, load_settings())
    monkeypatch.delenv(JOB_ID_VARIABLE)
    try:
        yield runs
    finally:
        await runs.close()
        manager.close()


async def _fetched(runs: RunManager, name: str, wait_s: float = 0.0) -> list[str]:
    received = await runs.post.fetch(name, None, SOMEBODY, after_seq=None, limit=100, wait_s=wait_s)
    return _texts(received.page.messages)


async def test_an_agent_writes_to_its_parent_and_to_its_sibling_and_reads_its_own_mail(
    runs: RunManager, agents: Agents, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = agents.command("sleep", "1000")
    boss = await runs.spawn(replace(asked, nickname="boss"))
    await events_until(runs, boss, RunStatus.RUNNING)
    async with _within(boss, monkeypatch) as ours:
        kid = await _ran(ours, agents, "kid", project="/shop")
        # Another project and another workspace have one of that name too.
        await _ran(ours, agents, "sibling", project="/blog", cwd=str(tmp_path))
        sibling = await _ran(ours, agents, "sibling", project="/shop")

    async with _within(kid, monkeypatch) as ours:
        up = await ours.post.send(Letter(to="parent", body=_saying("up")), SOMEBODY)
        across = await ours.post.send(Letter(to="sibling", body=_saying("across")), Asker("/elsewhere", changes=True))
        answer = await runs.post.send(Letter(to="kid", body=_saying("down"), sender="boss"), Asker("/shop"))
        received = await ours.post.fetch(None, None, SOMEBODY, after_seq=None, limit=10, wait_s=0)

    assert (up.to.record.run_id, up.seq) == (boss.record.run_id, 1)
    assert (across.to.record.run_id, answer.to.record.run_id) == (sibling.record.run_id, kid.record.run_id)
    assert received.to.run_id == kid.record.run_id
    (message,) = received.page.messages
    assert (message["from_agent_name"], message["body"]) == ("boss", _saying("down"))
    assert await _fetched(runs, "boss") == ["up"]
    with pytest.raises(UnknownRunError, match=f"parent; run {boss.record.run_id} was started by no run"):
        await runs.post.send(Letter(to="parent", body=_saying("?"), sender="boss"), SOMEBODY)
    with pytest.raises(UnknownRunError, match="parent; the sender is not a run"):
        await runs.post.send(Letter(to="parent", body=_saying("?")), SOMEBODY)
    with pytest.raises(ForeignNameError, match="'kid' is a name of another project"):
        await runs.post.send(Letter(to="kid", body=_saying("?")), Asker("/other", changes=True))
    await runs.cancel(of(boss), by="test")


async def test_a_run_id_means_its_agent_and_a_name_that_looks_like_one_is_a_name(
    runs: RunManager, agents: Agents
) -> None:
    reviewer = await _ran(runs, agents, "reviewer")
    assert (await runs.post.send(Letter(to="reviewer", body=_saying("by name")), SOMEBODY)).seq == 1
    assert (await runs.post.send(Letter(to=reviewer.record.run_id, body=_saying("by id")), SOMEBODY)).seq == 2
    assert await _fetched(runs, reviewer.record.run_id) == ["by name", "by id"]
    with pytest.raises(UnknownRunError, match="Unknown agent_name: rzzzzzz; nor is there a run of this id"):
        await _fetched(runs, "rzzzzzz")


async def test_who_waits_is_told_when_something_comes(runs: RunManager, agents: Agents) -> None:
    await _ran(runs, agents, "bob")
    waiting = asyncio.create_task(_fetched(runs, "bob", wait_s=1000.0))
    assert await _fetched(runs, "bob", wait_s=0.1) == []

    await runs.post.send(Letter(to="bob", body=_saying("there")), SOMEBODY)

    assert await waiting == ["there"]


async def test_mailboxes_go_when_the_last_run_of_their_session_is_gone(
    runs: RunManager, agents: Agents, manager: JobManager
) -> None:
    for name in ("old", "kept"):
        await _ran(runs, agents, name)
        await runs.post.send(Letter(to=name, body=_saying("hello")), SOMEBODY)
    mail = manager.state.mail
    both = sorted(os.listdir(mail))
    old = (await runs.list()).runs[1].record

    await runs.post.clear_away([], time.time() - 100)
    assert sorted(os.listdir(mail)) == both, "a session may begin while others are cleared away"
    await runs.post.clear_away([old.session_id], time.time() + 100)
    assert os.listdir(mail) == [old.session_id]
    assert len(await runs.prune(older_than_s=0)) == 2


@pytest.fixture
async def client(manager: JobManager) -> AsyncGenerator[Caller]:
    """A client of a server in this process that offers the mailbox, and works for no project."""
    manager.project = ""  # a server takes it when it is made
    async with Client(build_server(manager, load_settings(toolsets="runs,mailbox"))) as client:
        yield Caller(client)


@pytest.mark.requirement("runs.tools")
async def test_the_tools_take_and_return_what_those_of_the_other_server_do(
    client: Caller, runs: RunManager, agents: Agents
) -> None:
    await _ran(runs, agents, "alice")
    bob = await _ran(runs, agents, "bob", role="reviewer")

    sent = await client.facts(
        "send_agent_message", to_agent_name="bob", from_agent_name="alice", message=_saying("hi"), metadata={"n": 1}
    )
    listed = await client.facts("list_agents", cwd=str(agents.workspace), backend="command", status="completed")
    fetched = await client.facts("fetch_agent_messages", agent_name="bob", limit=5)

    assert set(sent) == SENT | {"to_status"}
    assert [set(agent) for agent in listed["agents"]] == [AGENT | {"unfetched"}] * 2
    assert [(agent["agent_name"], agent["unfetched"]) for agent in listed["agents"]] == [("bob", 1), ("alice", 0)]
    assert (listed["agents"][0]["role"], listed["agents"][0]["last_run_id"]) == ("reviewer", bob.record.run_id)
    assert set(fetched) == FETCHED
    (message,) = fetched["messages"]
    assert set(message) == MESSAGE
    assert {key: message[key] for key in SENT} == {key: sent[key] for key in SENT}
    assert (message["from_agent_name"], message["metadata"], fetched["next_after_seq"]) == ("alice", {"n": 1}, 1)
    assert (await client.facts("fetch_agent_messages", agent_name="bob"))["messages"] == []
    assert (await client.facts("fetch_agent_messages", agent_name="bob", after_seq=0))["messages"] == [message]
    assert (await client.facts("list_agents", status="failed"))["agents"] == []


HOSTILE: list[tuple[str, dict[str, Any], str]] = [
    ("send_agent_message", {"to_agent_name": "../../x", "message": _saying("x")}, "Error: Unknown agent_name: ../../x"),
    ("send_agent_message", {"to_agent_name": "", "message": _saying("x")}, "Error: Provide run_id or agent_name"),
    ("send_agent_message", {"to_agent_name": "bob", "message": {"role": "user", "parts": []}}, "at least one part"),
    ("send_agent_message", {"to_agent_name": "bob", "message": {"role": "root", "parts": [1]}}, "message is {"),
    ("send_agent_message", {"to_agent_name": "bob", "message": _saying("\ud800")}, "surrogate"),
    ("send_agent_message", {"to_agent_name": "bob", "message": _saying("x" * 70_000)}, "at most 65,536 are taken"),
    (
        "send_agent_message",
        {"to_agent_name": "bob", "message": _saying("x"), "metadata": {"x": "y" * 70_000}},
        "at most 65,536 are taken",
    ),
    (
        "send_agent_message",
        {"to_agent_name": "bob", "from_agent_name": "eve", "message": _saying("x")},
        "Unknown agent_name: eve",
    ),
    ("send_agent_message", {"to_agent_name": "bob", "cwd": "/tmp", "message": _saying("x")}, "in cwd /tmp: bob"),
    ("fetch_agent_messages", {"agent_name": "bob", "after_seq": -1}, "after_seq is 0 or more"),
    ("fetch_agent_messages", {"agent_name": "bob", "after_seq": 2**70}, "64 bits"),
    ("fetch_agent_messages", {"agent_name": "bob", "limit": 0}, "limit 1 to 1000"),
    ("fetch_agent_messages", {"agent_name": "bob", "wait_ms": 30_001}, "give 0 to 30000"),
    ("fetch_agent_messages", {}, "Provide agent_name"),
    ("list_agents", {"status": "idle?"}, "status 'idle?' is unknown"),
    ("list_agents", {"cwd": "here"}, "cwd must be an absolute path: here"),
    ("list_agents", {"limit": 0}, "limit is 1 or more"),
]


async def test_what_cannot_be_used_is_refused_and_delivers_nothing(
    client: Caller, runs: RunManager, agents: Agents
) -> None:
    await _ran(runs, agents, "bob")

    for tool, arguments, words in HOSTILE:
        assert words in await client.error(tool, **arguments), (tool, arguments)

    assert (await client.facts("fetch_agent_messages", agent_name="bob", after_seq=2**62))["next_after_seq"] == 2**62
    assert (await client.facts("fetch_agent_messages", agent_name="bob", after_seq=0))["messages"] == []
