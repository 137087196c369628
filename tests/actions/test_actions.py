"""The tables of actions, and what a carrier can rely on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mcp_background_job.actions import caller as callers
from mcp_background_job.actions import synonyms
from mcp_background_job.actions.action import Action, Effects
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.comfyui.table import comfyui_actions
from mcp_background_job.actions.jobs.facts import details_facts
from mcp_background_job.actions.jobs.report import status_result
from mcp_background_job.actions.jobs.table import job_actions
from mcp_background_job.actions.runs.table import run_actions
from mcp_background_job.core.job import Job
from mcp_background_job.core.news import Reader
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.jobs.manager import JobManager
from tests.patience import WAIT_S

Calls = dict[str, Action[Any, Any]]

#: Clients give up on a call after a minute.
_LONGEST_CALL_S = 50.0

SOMEBODY = Caller(client="somebody@here", directory="/here", project="/here", reader=Reader("somebody@here"))


def _not_opened() -> Any:
    raise AssertionError("a table opens nothing")


@pytest.fixture
def started() -> list[tuple[Caller, Job]]:
    return []


@pytest.fixture
def calls(manager: JobManager, started: list[tuple[Caller, Job]]) -> Calls:
    def expect(caller: Caller, job: Job) -> None:
        started.append((caller, job))

    actions = job_actions(manager, expect)
    return {action.name: action for action in (*actions, *comfyui_actions(_not_opened), *run_actions(_not_opened))}


def test_every_action_says_what_it_does_and_takes_no_longer_than_clients_wait(calls: Calls) -> None:
    for action in calls.values():
        assert action.about
        assert 0 <= action.waits_s <= _LONGEST_CALL_S
        assert action.arguments.json_schema()["type"] == "object"


def test_an_action_with_a_time_to_wait_is_known_to_wait(calls: Calls) -> None:
    for action in calls.values():
        if {"wait_s", "wait_ms", "grace_s"} & set(action.arguments.json_schema()["properties"]):
            assert action.waits_s > 0, action.name


async def test_who_asks_is_recorded_and_told_of_what_was_started(
    calls: Calls, manager: JobManager, started: list[tuple[Caller, Job]]
) -> None:
    report = await calls["execute_command"].call(SOMEBODY, {"command": "true", "wait_s": WAIT_S})
    assert (await manager.find(report.job_id)).client == "somebody@here"
    other = replace(SOMEBODY, client="other@there")
    again = await calls["restart_job"].call(other, {"job_id": report.job_id, "wait_s": WAIT_S})
    assert [(caller, job.job_id) for caller, job in started] == [(SOMEBODY, report.job_id), (other, again.job_id)]


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("execute_command", {}, "command: "),
        (
            "execute_command",
            {"command": "true", "timeout": 1},
            "timeout: there is no such argument, do you mean timeout_s?",
        ),
        (
            "kill_job",
            {"id": "j1"},
            "do you mean job_id?; the arguments are job_id, all_of_project, signal, signal_only, grace_s",
        ),
        ("comfyui_free", {"zzzzzz": 1}, "zzzzzz: there is no such argument; there are no arguments"),
        ("list_runs", {"cursor": 2**63}, "cursor: a whole number of 64 bits"),
        ("get_job_output", {"job_id": "j1", "cursor": str(-(2**64))}, "cursor: a whole number of 64 bits"),
        ("restart_job", {"job_id": "j1", "wait_s": "soon"}, "not 'soon'"),
        ("list_jobs", {"limit": [[[[[[[[[1]]]]]]]]]}, "limit: "),
        ("list_jobs", {"limit": "many"}, "not 'many'"),
        ("interact_with_job", {"job_id": "j1", "keys": ["\udcff"]}, "'\\xff' holds half of a surrogate pair"),
        ("comfyui_submit", {"workflow": {"1": {"inputs": {"\ud800": 1}}}}, "half of a surrogate pair"),
        ("comfyui_batch", {"action": "explode"}, "not 'explode'"),
        ("poll_events", {"wait_ms": 0.5}, "wait_ms: "),
    ],
)
async def test_arguments_that_cannot_be_used_are_named(
    calls: Calls, name: str, arguments: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidRequestError, match=r"^bad arguments: ") as refusal:
        await calls[name].call(SOMEBODY, arguments)
    assert told in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "said", "meant"),
    [
        ("execute_command", "cmd", "command"),
        ("execute_command", "workingDir", "cwd"),
        ("execute_command", "env-vars", "env"),
        ("execute_command", "depends_on", "after"),
        ("execute_command", "comand", "command"),
        ("wait_for_job", "timeout", "wait_s"),
        ("wait_for_job", "pattern", "until"),
        ("get_job_status", "pid", "job_id"),
        ("tail_job_output", "n", "lines"),
        ("tail_job_output", "pattern", "grep"),
        ("get_job_output", "offset", "cursor"),
        ("interact_with_job", "text", "input"),
        ("interact_with_job", "command", "input"),
        ("kill_job", "force", "grace_s"),
        ("restart_job", "directory", "cwd"),
        ("list_jobs", "state", "status"),
        ("list_jobs", "max_results", "limit"),
        ("spawn_run", "task", "prompt"),
        ("spawn_run", "model", "backend_config"),
        ("spawn_run", "modle", "backend_config"),
        ("get_run", "id", "run_id"),
        ("poll_events", "since", "after_seq"),
        ("poll_events", "timeout_ms", "wait_ms"),
        ("continue_run", "message", "input_message"),
        ("get_event_artifact", "path", "field_path"),
        ("comfyui_submit", "file", "workflow_path"),
        ("comfyui_submit", "seeds", "overrides"),
        ("comfyui_job", "id", "prompt_id"),
        ("comfyui_download", "destination", "output_dir"),
        ("comfyui_clear_history", "count", "keep"),
        ("restart_comfyui", "hard", "force"),
    ],
)
def test_an_argument_by_another_name_is_told_by_ours(calls: Calls, name: str, said: str, meant: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"no such argument, do you mean {meant}[?]"):
        calls[name].asked.of({said: "x"})


def test_every_argument_that_has_other_names_is_one(calls: Calls) -> None:
    known = {name for action in calls.values() for name in action.arguments.json_schema().get("properties", {})}
    assert synonyms._SYNONYMS.keys() <= known


async def test_nothing_is_killed_where_no_job_is_named(calls: Calls) -> None:
    nothings: list[Any] = [[], "[]", ' "[]"']
    for nothing in nothings:
        with pytest.raises(InvalidRequestError, match="empty list"):
            await calls["kill_job"].call(SOMEBODY, {"job_id": nothing})


async def test_a_number_that_came_as_text_is_one(calls: Calls) -> None:
    report = await calls["list_jobs"].call(SOMEBODY, {"limit": "1"})
    assert report.jobs == []


def test_an_error_about_many_arguments_is_as_short_as_one_about_few(calls: Calls) -> None:
    unknown: dict[str, Any] = {f"x{n}" * 100: n for n in range(1000)}
    wrong: dict[str, Any] = {"command": "x", "after": [{}] * 1000}
    for arguments in (unknown, wrong):
        with pytest.raises(InvalidRequestError) as refusal:
            calls["execute_command"].asked.of(arguments)
        assert len(str(refusal.value)) < 1500


def test_what_one_argument_means_all_of_its_kind_mean(calls: Calls) -> None:
    request = calls["execute_command"].asked.of(
        {"command": '{"a": 1}', "env": '{"A": "1", "PORT": 3000}', "after": "jx", "wait_s": "0.5", "cwd": None}
    )
    assert (request.command, request.env, request.after) == ('{"a": 1}', {"A": "1", "PORT": "3000"}, ["jx"])
    assert (request.wait_s, request.cwd, request.stdin) == (0.5, None, "closed")
    request = calls["wait_for_job"].asked.of({"job_id": '["a", "b"]', "wait_s": None, "until": "[abc]"})
    assert (request.job_id, request.wait_s, request.until) == (["a", "b"], 25, "[abc]")
    request = calls["spawn_run"].asked.of({"backend": "codex", "cwd": "/", "backend_config": '{"args": ["-x"]}'})
    assert request.backend_config == {"args": ["-x"]}
    request = calls["spawn_run"].asked.of({"backend": "acp", "cwd": "/", "backend_config": {"command": '["a", "b"]'}})
    assert request.backend_config == {"command": ["a", "b"]}
    request = calls["list_jobs"].asked.of({"status": ["running", "queued"], "limit": '"5"'})
    assert (request.status, request.limit) == ("running,queued", 5)
    for name, word in (("get_job_status", "job_id"), ("get_run", "run_id"), ("comfyui_job", "prompt_id")):
        for given in (["x1"], '["x1"]', '"x1"'):
            assert getattr(calls[name].asked.of({word: given}), word) == "x1"
    with pytest.raises(InvalidRequestError, match="job_id: Input should be a valid string"):
        calls["get_job_status"].asked.of({"job_id": '["a", "b"]'})
    request = calls["comfyui_submit"].asked.of({"workflow": '{"1": {}}', "overrides": '{"1.seed": 5}'})
    assert (request.workflow, request.overrides) == ({"1": {}}, {"1.seed": [5]})


def test_null_for_any_argument_that_may_be_left_out_is_as_good_as_leaving_it_out(calls: Calls) -> None:
    for action in calls.values():
        schema = action.arguments.json_schema()
        optional = set(schema["properties"]) - set(schema.get("required", ()))
        problems: list[str] = []
        for given in ({}, dict.fromkeys(optional)):
            try:
                action.asked.of(given)
            except InvalidRequestError as error:
                problems.append(str(error).replace(str(given), "{}").partition(", not ")[0])
        assert len(set(problems)) <= 1, action.name


def test_only_what_changes_nothing_is_said_to_look(calls: Calls) -> None:
    looking = {name for name, action in calls.items() if action.effects is Effects.LOOKS}
    assert not looking & {"execute_command", "restart_job", "kill_job", "interact_with_job", "comfyui_session"}
    assert {"list_jobs", "get_run", "comfyui_status"} <= looking


async def test_a_status_in_few_words_says_the_same_as_the_whole_one(manager: JobManager, calls: Calls) -> None:
    report = await calls["execute_command"].call(SOMEBODY, {"command": "echo hi; exit 3", "wait_s": WAIT_S})
    details = await manager.details(report.job_id)
    brief, known = status_result(details), details_facts(details)
    for name in ("job_id", "status", "exit_code", "signal", "output_bytes", "duration_s", "log_path", "cwd", "note"):
        assert getattr(brief, name) == known[name], name


class _Listener:
    """Remembers what it is told while it waits."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.is_told = asyncio.Event()

    async def take(self, waited_s: float, limit_s: float, what: str) -> None:
        assert waited_s >= 0
        assert limit_s == WAIT_S
        self.told.append(what)
        self.is_told.set()

    def caller(self) -> Caller:
        return replace(SOMEBODY, progress=self.take)


@pytest.mark.parametrize("what", ["it works", lambda: "it works"])
async def test_a_caller_is_told_while_it_waits(monkeypatch: pytest.MonkeyPatch, what: str | Callable[[], str]) -> None:
    monkeypatch.setattr(callers, "PROGRESS_INTERVAL_S", 0.001)
    listener = _Listener()
    assert await listener.caller().wait_for(listener.is_told.wait(), what, WAIT_S)
    assert listener.told[0] == "it works"


async def test_work_ends_with_the_call_that_waits_for_it() -> None:
    has_begun, is_cancelled = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        has_begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            is_cancelled.set()

    call = asyncio.ensure_future(SOMEBODY.wait_for(work(), "it works", WAIT_S))
    await has_begun.wait()
    call.cancel()
    async with asyncio.timeout(WAIT_S):
        await is_cancelled.wait()
    with pytest.raises(asyncio.CancelledError):
        await call
