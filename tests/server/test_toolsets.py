"""Which tools a server offers: by the rule for ``auto``, at the handshake, and when that changes later."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client

from mcp_background_job.agents.adapters.table import ADAPTERS, PROGRAMS, adapter_named
from mcp_background_job.config import load_settings
from mcp_background_job.core.comfyui.submission import Stage, Submission
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.registry.journal import SqliteJournal
from mcp_background_job.server.build import COMFYUI_INSTRUCTIONS, INSTRUCTIONS, RUNS_INSTRUCTIONS, build_server
from mcp_background_job.server.toolsets import facts
from mcp_background_job.server.toolsets.facts import look_around
from mcp_background_job.server.toolsets.offered import Offered
from mcp_background_job.server.toolsets.rule import Facts, choices
from tests.patience import PATIENCE_S, WAIT_S
from tests.server.calls import Caller

#: As many as the queue of a socket that listens for one may hold, and some.
_MANY = 8


@contextlib.contextmanager
def _port(*, listens: bool) -> Generator[socket.socket]:
    with socket.socket() as taken:  # bound, so that nobody else listens there
        taken.bind(("127.0.0.1", 0))
        if listens:
            taken.listen(0)
        yield taken


@pytest.fixture
def comfyui_port(monkeypatch: pytest.MonkeyPatch) -> Generator[socket.socket]:
    """The port at which ComfyUI is looked for, where nobody listens yet."""
    with _port(listens=False) as taken:
        monkeypatch.setattr(facts, "COMFYUI_PORT", taken.getsockname()[1])
        yield taken


@pytest.fixture
def bare(state_dir: str, comfyui_port: socket.socket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with neither ComfyUI nor agents; returns a directory that is on the PATH."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    for variable in ("COMFYUI_URL", "COMFYUI_HOST", "COMFYUI_PORT", "COMFYUI_DIR", "COMFYUI_COMMAND"):
        monkeypatch.delenv(variable, raising=False)
    assert state_dir
    assert comfyui_port
    return directory


def _install(directory: Path, program: str) -> None:
    (directory / program).write_text("#!/bin/sh\n")
    (directory / program).chmod(0o755)


# -- the rule ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "offered"),
    [
        (Facts(), "jobs"),
        (Facts(comfyui_settings=("COMFYUI_ARGS",)), "jobs comfyui"),
        (Facts(comfyui_listens=True), "jobs comfyui"),
        (Facts(comfyui_was_used=True), "jobs comfyui"),
        (Facts(agents=("opencode",)), "jobs runs"),
        (Facts(had_runs=True), "jobs runs"),
        (Facts(comfyui_listens=True, had_runs=True), "jobs comfyui runs"),
    ],
)
def test_what_there_is_a_use_for_is_offered(known: Facts, offered: str) -> None:
    assert " ".join(choice.toolset for choice in choices(known) if choice.is_offered) == offered
    assert all(choice.why for choice in choices(known))


def test_why_names_what_decided() -> None:
    def whys(known: Facts) -> dict[str, str]:
        return {choice.toolset: choice.why for choice in choices(known)}

    assert whys(Facts(comfyui_settings=("COMFYUI_DIR", "COMFYUI_ARGS")))["comfyui"] == "COMFYUI_DIR is set"
    assert "codex, gemini on the PATH" in whys(Facts(agents=("codex", "gemini")))["runs"]
    assert "port 8188" in whys(Facts())["comfyui"]


# -- the facts ---------------------------------------------------------------------------------------------------------


def _look(bare: Path) -> Facts:
    return look_around(StateDir(load_settings().state_dir), {"PATH": str(bare)})


def test_a_machine_with_nothing_gives_no_reason(bare: Path) -> None:
    assert _look(bare) == Facts()
    assert not Path(load_settings().state_dir).exists()  # a look makes nothing


@pytest.mark.parametrize("variable", ["COMFYUI_HEADERS", "comfyui_output_dir"])
def test_any_setting_for_comfyui_is_a_reason(bare: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv("COMFYUI_MANAGER_CACHE", "/somewhere")  # another program's
    assert _look(bare).comfyui_settings == ()
    monkeypatch.setenv(variable, "/x")
    assert _look(bare).comfyui_settings == (variable.upper(),)


def test_whoever_listens_is_a_reason_also_when_they_have_not_looked_for_long(
    bare: Path, comfyui_port: socket.socket
) -> None:
    comfyui_port.listen(0)
    assert _look(bare).comfyui_listens
    with contextlib.ExitStack() as stack:
        for _ in range(_MANY):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(comfyui_port.getsockname())
        assert _look(bare).comfyui_listens


def test_a_journal_is_a_reason_once_something_is_in_it(bare: Path) -> None:
    state = StateDir(load_settings().state_dir)
    Path(state.path).mkdir()
    with contextlib.closing(SqliteJournal(state.comfyui_journal)) as journal:
        assert not _look(bare).comfyui_was_used
        journal.record([Submission(prompt_id="one", server="s", submitted_at=1.0, graph="{}", stage=Stage.SENDING)])
        assert _look(bare).comfyui_was_used
    Path(state.comfyui_journal).write_text("no database, so its tools have something to say")
    assert _look(bare).comfyui_was_used


def test_agents_are_found_by_the_programs_that_are_started(bare: Path) -> None:
    assert set(ADAPTERS) - set(PROGRAMS) == {"command", "acp", "remote_a2a"}  # are told what to start
    for backend, program in PROGRAMS.items():
        assert f"no program {program} " in adapter_named(backend).available({}, {"PATH": str(bare)}).reason
    _install(bare, "claude")
    _install(bare, "opencode")
    assert _look(bare).agents == ("claude", "opencode")


def test_runs_are_a_reason(bare: Path) -> None:
    runs = Path(StateDir(load_settings().state_dir).runs)
    runs.mkdir(parents=True)
    assert not _look(bare).had_runs
    (runs / "r234567").mkdir()
    assert _look(bare).had_runs


# -- what is offered ---------------------------------------------------------------------------------------------------


async def test_what_was_set_is_offered_and_nothing_is_looked_at() -> None:
    def fail() -> Facts:
        raise AssertionError

    offered = Offered(["runs"], fail)
    await offered.look_again()
    assert offered.toolsets == ["runs"]
    assert not offered.may_grow


async def test_there_come_to_be_more_and_never_fewer() -> None:
    known = Facts(had_runs=True)
    offered = Offered("auto", lambda: known)
    assert offered.toolsets == ["jobs", "runs"]
    more: list[list[str]] = []
    offered.whenever_more.append(lambda: more.append(list(offered.toolsets)))
    known = Facts(comfyui_listens=True)
    await asyncio.gather(offered.look_again(), offered.look_again())
    known = Facts()
    await offered.look_again()
    assert offered.toolsets == ["jobs", "comfyui", "runs"]
    assert more == [["jobs", "comfyui", "runs"]]


async def test_each_reader_is_told_once() -> None:
    known = Facts()
    offered = Offered("auto", lambda: known)
    assert offered.to_tell("early", lambda _: "abcde") is None
    known = Facts(agents=("codex",))
    await offered.look_again()
    line = "Tools for other agents are available now: a, b, c and 2 more (codex on the PATH)."
    assert [offered.to_tell(reader, lambda _: "abcde") for reader in ("early", "other")] == [line, line]
    assert [offered.to_tell(reader, lambda _: "abcde") for reader in ("early", "other")] == [None, None]


# -- as clients see it -------------------------------------------------------------------------------------------------


@pytest.fixture
def started(bare: Path, manager: JobManager, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A server on a bare machine."""
    assert bare
    monkeypatch.setenv("MCP_BG_TOOLSETS", "auto")
    return build_server(manager, load_settings())


async def test_who_has_neither_pays_for_neither(started: Any) -> None:
    async with Client(started, mode="legacy") as client:
        assert client.initialize_result
        assert client.initialize_result.instructions == INSTRUCTIONS
        assert len(await client.list_tools()) == 9


async def test_an_agent_that_is_installed_is_there_from_the_first_moment(
    bare: Path, manager: JobManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(bare, "codex")
    monkeypatch.setenv("MCP_BG_TOOLSETS", "auto")
    manager.inheritance.own = {"PATH": str(bare)}
    async with Client(build_server(manager, load_settings()), mode="legacy") as client:
        assert client.initialize_result
        assert client.initialize_result.instructions == f"{INSTRUCTIONS}\n{RUNS_INSTRUCTIONS}"
        assert "spawn_run" in {tool.name for tool in await client.list_tools()}


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_a_comfyui_that_starts_later_is_told_of_in_the_next_answer_and_once(
    started: Any, comfyui_port: socket.socket, mode: Any
) -> None:
    async with Client(started, mode=mode) as client:
        caller = Caller(client)
        assert "tools" not in await caller.facts("list_jobs")
        comfyui_port.listen(1)
        told = (await caller.facts("list_jobs"))["tools"]
        assert told.startswith("ComfyUI tools are available now: comfyui_status, comfyui_submit, comfyui_job and ")
        assert "tools" not in await caller.facts("list_jobs")
        assert "comfyui_submit" in {tool.name for tool in await client.list_tools()}
    assert started.instructions == f"{INSTRUCTIONS}\n{COMFYUI_INSTRUCTIONS}"


async def test_the_line_is_the_first_of_an_answer_that_is_text(started: Any, comfyui_port: socket.socket) -> None:
    async with Client(started) as client:
        caller = Caller(client)
        await caller.facts("execute_command", command="echo hello", name="greeter", wait_s=WAIT_S)
        comfyui_port.listen(1)
        assert (await caller.text("tail_job_output", job_id="greeter")).startswith("ComfyUI tools are available now")


async def test_a_client_that_has_the_list_hears_that_it_has_changed(started: Any, comfyui_port: socket.socket) -> None:
    heard = asyncio.Event()

    async def hear(message: Any) -> None:
        if getattr(getattr(message, "root", message), "method", "") == "notifications/tools/list_changed":
            heard.set()

    async with Client(started, mode="legacy", message_handler=hear) as client:
        await client.list_tools()
        comfyui_port.listen(1)
        await client.call_tool("list_jobs", {})
        await asyncio.wait_for(heard.wait(), PATIENCE_S)
