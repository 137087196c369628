"""What a person decides: they are asked where the client can ask, and nothing is done unless they say yes."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import StdioTransport

from mcp_background_job.actions import caller as asking
from mcp_background_job.actions.caller import Answer, Caller, Question
from mcp_background_job.actions.comfyui.lifecycle import Lifecycle, Restart, Stop
from mcp_background_job.actions.opening import at_hand
from mcp_background_job.comfyui.lifecycle.carry_over import Luggage, Requeue, check_agreed
from mcp_background_job.comfyui.lifecycle.outcome import Outcome
from mcp_background_job.config import MATTERS, load_settings
from mcp_background_job.core.comfyui.submission import Stage, Submission
from mcp_background_job.core.news import Reader
from mcp_background_job.core.states import NOT_OVER
from mcp_background_job.errors import DeclinedError, WouldLoseError
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.server.build import build_server
from tests.agents.fake_agents import Agents
from tests.comfyui.lifecycle.lifecycle_support import a_checkout, end_all_jobs, stuck, wait_running, watching
from tests.comfyui_simulator.process import Simulator
from tests.conftest import Liveness
from tests.nursery.starts import program
from tests.patience import PATIENCE_S, WAIT_S
from tests.server.calls import Caller as Calls
from tests.survival.support import another_manager

YES = ElicitResult[Any](action="accept", content={"go_ahead": True})
DECLINED = ElicitResult[Any](action="decline")
NO = [
    ElicitResult[Any](action="accept", content={"go_ahead": False}),
    DECLINED,
    ElicitResult[Any](action="cancel"),
]

ERAS = pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])


class Person:
    """Is asked, and says one thing."""

    def __init__(self, says: ElicitResult[Any]) -> None:
        self.says = says
        self.asked: list[str] = []

    async def __call__(self, message: str, _kind: Any, _params: Any, _context: Any) -> ElicitResult[Any]:
        self.asked.append(message)
        return self.says


@contextlib.asynccontextmanager
async def _two_jobs(server: Any, mode: Any, person: Any) -> AsyncGenerator[Calls]:
    async with Client(server, mode=mode, elicitation_handler=person) as client:
        calls = Calls(client)
        for name in ("one", "two"):
            await calls.facts("execute_command", command="exec sleep 600", name=name, wait_s=0)
        yield calls
        await asyncio.gather(*(calls.facts("kill_job", job_id=name, grace_s=0) for name in ("one", "two")))


async def _running(calls: Calls) -> set[str]:
    return {row["name"] for row in (await calls.facts("list_jobs"))["jobs"] if row["status"] in NOT_OVER}


# -- the end of several jobs -------------------------------------------------------------------------------------------


@ERAS
async def test_several_jobs_end_when_a_person_says_yes(manager: JobManager, mode: Any) -> None:
    person = Person(YES)
    async with _two_jobs(build_server(manager, load_settings()), mode, person) as calls:
        killed = await calls.facts("kill_job", job_id=["one", "two", "nobody"], grace_s=0)
        assert [row["status"] for row in killed["jobs"]] == ["killed", "killed", "not_found"]
        assert person.asked == ["Kill 2 jobs: one (exec sleep 600), two (exec sleep 600)?"]


@pytest.mark.parametrize(("mode", "says"), [("legacy", DECLINED), *(("2026-07-28", said) for said in NO)])
async def test_nothing_ends_unless_they_say_yes(manager: JobManager, mode: Any, says: ElicitResult[Any]) -> None:
    async with _two_jobs(build_server(manager, load_settings()), mode, Person(says)) as calls:
        refused = await calls.error("kill_job", job_id=["one", "two"])
        assert refused.startswith("the user was asked “Kill 2 jobs: ")
        assert "nothing was done" in refused
        assert await _running(calls) == {"one", "two"}


async def test_nobody_is_asked_about_one_job_or_a_signal(manager: JobManager) -> None:
    person = Person(DECLINED)
    async with _two_jobs(build_server(manager, load_settings()), "legacy", person) as calls:
        signalled = await calls.facts("kill_job", job_id=["one", "two"], signal="URG", signal_only=True)
        assert [row["status"] for row in signalled["jobs"]] == ["signalled", "signalled"]
        assert (await calls.facts("kill_job", job_id=["one"], grace_s=0))["jobs"][0]["status"] == "killed"
    assert person.asked == []


@ERAS
async def test_a_client_that_cannot_ask_is_not_held_up(manager: JobManager, mode: Any) -> None:
    async with _two_jobs(build_server(manager, load_settings()), mode, None) as calls:
        killed = await calls.facts("kill_job", job_id=["one", "two"], grace_s=0)
        assert [row["status"] for row in killed["jobs"]] == ["killed", "killed"]


@pytest.mark.parametrize("assumed", ["kill_jobs", "all"])
async def test_consent_may_be_given_beforehand_in_the_configuration(manager: JobManager, assumed: str) -> None:
    person = Person(DECLINED)
    server = build_server(manager, load_settings(assume_consent=assumed))
    async with _two_jobs(server, "legacy", person) as calls:
        killed = await calls.facts("kill_job", job_id=["one", "two"], grace_s=0)
        assert [row["status"] for row in killed["jobs"]] == ["killed", "killed"]
    assert person.asked == []


async def test_consent_is_to_what_was_asked_and_not_to_what_has_come_since(manager: JobManager) -> None:
    asked: list[str] = []

    async def person(message: str, *_: Any) -> ElicitResult[Any]:
        asked.append(message)
        if len(asked) == 1:
            await calls.facts("execute_command", command="exec sleep 600", name="three", wait_s=0)
        return YES

    async with _two_jobs(build_server(manager, load_settings()), "2026-07-28", person) as calls:
        killed = await calls.facts("kill_job", all_of_project=True, grace_s=0)
        assert {row["name"] for row in killed["jobs"]} == {"one", "two", "three"}
        assert [message[:11] for message in asked] == ["Kill 2 jobs", "Kill 3 jobs"]


async def test_jobs_that_come_while_a_person_thinks_live_on(manager: JobManager) -> None:
    async def person(*_: Any) -> ElicitResult[Any]:
        await calls.facts("execute_command", command="exec sleep 600", name="three", wait_s=0)
        return YES

    async with _two_jobs(build_server(manager, load_settings()), "legacy", person) as calls:
        await calls.facts("kill_job", all_of_project=True, grace_s=0)
        assert await _running(calls) == {"three"}
        await calls.facts("kill_job", job_id="three", grace_s=0)


async def _never(*_: Any) -> ElicitResult[Any]:
    await asyncio.Event().wait()
    raise AssertionError


async def test_whoever_never_answers_has_not_agreed(manager: JobManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "ANSWER_S", 0.3)
    async with _two_jobs(build_server(manager, load_settings()), "legacy", _never) as calls:
        assert "gave no answer within" in await calls.error("kill_job", job_id=["one", "two"])
        assert await _running(calls) == {"one", "two"}


async def test_others_are_served_while_a_person_thinks_and_a_cancelled_call_asks_no_longer(manager: JobManager) -> None:
    is_asked = asyncio.Event()

    async def person(*_: Any) -> ElicitResult[Any]:
        is_asked.set()
        return await _never()

    async with _two_jobs(build_server(manager, load_settings()), "legacy", person) as calls:
        killing = asyncio.create_task(calls.facts("kill_job", job_id=["one", "two"]))
        await asyncio.wait_for(is_asked.wait(), PATIENCE_S)
        assert await _running(calls) == {"one", "two"}
        killing.cancel()
        await asyncio.wait({killing})
        assert await _running(calls) == {"one", "two"}


@pytest.mark.real_process
async def test_a_real_server_asks_over_its_pipes(state_dir: str) -> None:
    python, *arguments = program()
    transport = StdioTransport(python, arguments, env={**os.environ, "MCP_BG_STATE_DIR": state_dir})
    person = Person(DECLINED)
    async with _two_jobs(transport, "legacy", person) as calls:
        assert "said no: nothing was done" in await calls.error("kill_job", job_id=["one", "two"])
    assert len(person.asked) == 1


# -- agents with full access -------------------------------------------------------------------------------------------

_FULL: dict[str, Any] = {
    "backend": "codex",
    "cwd": "/",
    "prompt": "tidy up",
}


@ERAS
@pytest.mark.parametrize("given", [{"full_access": True}, {"args": ["--sandbox", "danger-full-access"]}])
@pytest.mark.parametrize(("says", "answer"), [(YES, "there is no program"), (DECLINED, "said no")])
async def test_an_agent_has_full_access_if_a_person_says_so(
    manager: JobManager, mode: Any, says: ElicitResult[Any], answer: str, given: dict[str, Any]
) -> None:
    person = Person(says)
    async with Client(build_server(manager, load_settings()), mode=mode, elicitation_handler=person) as client:
        calls = Calls(client)
        wanted = {**_FULL, "backend_config": {"binary": "/no", **given}}
        assert "give a list" in await calls.error("spawn_run", **{**_FULL, "backend_config": {**given, "args": 3}})
        assert person.asked == [], "nobody is asked about what cannot be"
        assert answer in await calls.error("spawn_run", **wanted)
        assert person.asked == ["Let codex work in / with full access, unasked and without a sandbox: tidy up?"]
        await calls.error("spawn_run", **{**_FULL, "backend_config": {"binary": "/no"}})
        assert len(person.asked) == 1


@ERAS
@pytest.mark.real_process
async def test_an_agent_that_had_full_access_goes_on_with_it_if_a_person_says_so(
    manager: JobManager, tmp_path: Path, liveness: Liveness, mode: Any
) -> None:
    agents = Agents(tmp_path, tmp_path, liveness)
    binary = agents.install("codex", "begin()\ntext(sys.stdin.read())\nfinish()\n")
    full = {"backend": "codex", "cwd": str(tmp_path), "backend_config": {"full_access": True, "binary": binary}}
    person = Person(YES)
    async with Client(build_server(manager, load_settings()), mode=mode, elicitation_handler=person) as client:
        calls = Calls(client)
        run_id = (await calls.facts("spawn_run", prompt="one", **full))["run_id"]
        await _ended(calls, run_id)
        on = {"run_id": run_id, "input_message": {"role": "user", "parts": [{"type": "text", "text": "two"}]}}

        person.says = DECLINED
        assert "said no: nothing was done" in await calls.error("continue_run", **on)
        assert person.asked[1:] == [
            f"Let codex work in {tmp_path} with full access, unasked and without a sandbox: to go on after {run_id}?"
        ]
        assert [row["run_id"] for row in (await calls.facts("list_runs"))["runs"]] == [run_id]

        person.says = YES
        second = (await calls.facts("continue_run", **on))["run_id"]
        assert (await _ended(calls, second))["result"]["final_response"] == "two"
        assert len(person.asked) == 3


async def _ended(calls: Calls, run_id: str) -> dict[str, Any]:
    await calls.facts("wait_for_job", job_id=run_id, wait_s=WAIT_S)
    run = await calls.facts("get_run", run_id=run_id)
    assert run["status"] == "completed", run
    return run


# -- prompts of ComfyUI ------------------------------------------------------------------------------------------------


def _prompt(name: str, *, is_ours: bool = True, graph: str = "{}") -> Submission:
    return Submission(
        prompt_id=name,
        server="s",
        submitted_at=1.0,
        graph=graph,
        stage=Stage.ACCEPTED,
        client="cc@/p",
        note=f"a {name}",
        is_ours=is_ours,
    )


_QUEUE = Luggage(running=(_prompt("runs"),), pending=(_prompt("waits"), _prompt("theirs", is_ours=False, graph="")))


@pytest.mark.parametrize(
    ("luggage", "requeue", "lost"),
    [
        (Luggage(), "none", set[str]()),
        (_QUEUE, "none", {"runs", "waits", "theirs"}),
        (_QUEUE, "pending", {"runs", "theirs"}),
        (_QUEUE, "all", {"theirs"}),
        (Luggage(of_batches=(_prompt("of a batch"),)), "none", set[str]()),
        (Luggage(is_guess=True, seen_at=5.0), "none", set[str]()),
        (Luggage(is_guess=True), "all", {"unseen"}),
    ],
)
def test_what_would_be_lost_must_be_agreed(luggage: Luggage, requeue: Requeue, lost: set[str]) -> None:
    check_agreed(luggage, requeue, None)
    check_agreed(luggage, requeue, frozenset(lost | {"others"}))
    for missing in lost:
        with pytest.raises(WouldLoseError) as stake:
            check_agreed(luggage, requeue, frozenset(lost - {missing}))
        assert stake.value.prompts == lost


def test_a_person_reads_how_many_which_and_whose() -> None:
    with pytest.raises(WouldLoseError) as stake:
        check_agreed(_QUEUE, "none", frozenset())
    assert stake.value.told == (
        "3 prompts (1 running, 2 waiting), runs “a runs” of cc@/p, waits “a waits” of cc@/p, "
        "theirs “a theirs” of somebody else"
    )


class _Server:
    """A ComfyUI, whose queue may change between two looks at it."""

    def __init__(self, *looks: set[str]) -> None:
        self.lifecycle = self.members = self
        self._looks = list(looks)
        self.agreed: list[frozenset[str] | None] = []

    async def all(self) -> list[_Server]:
        return [self]

    async def restart(self, *, agreed: frozenset[str] | None, **_: Any) -> Outcome:
        self.agreed.append(agreed)
        lost = frozenset(self._looks.pop(0))
        if agreed is not None and lost - agreed:
            raise WouldLoseError(lost, " ".join(sorted(lost)))
        return Outcome("restarted")

    stop = restart


def _caller(answer: Answer | None, asked: list[Question], **fields: Any) -> Caller:
    async def ask(question: Question) -> Answer:
        asked.append(question)
        assert answer is not None
        return answer

    return Caller(client="c", directory="/", project="/p", reader=Reader("c"), ask=ask if answer else None, **fields)


@pytest.mark.parametrize("act", ["restart_comfyui", "stop_comfyui"])
async def test_a_restart_asks_for_what_it_would_lose_and_again_for_what_comes_in_between(act: str) -> None:
    server: Any = _Server({"a"}, {"a", "b"}, {"b"})
    asked: list[Question] = []
    request = Restart(force=True) if act == "restart_comfyui" else Stop(force=True)
    done = await getattr(Lifecycle(at_hand(server)), act)(_caller(Answer.YES, asked), request)
    assert done["status"] == "restarted"
    assert [question.text.split("lose ")[1] for question in asked] == ["a?", "a b?"]
    assert server.agreed == [frozenset(), {"a"}, {"a", "b"}]


async def test_without_a_yes_comfyui_goes_on() -> None:
    server: Any = _Server({"a"})
    with pytest.raises(DeclinedError, match=r"Restart ComfyUI, and lose a\?.* without an answer: nothing was done"):
        await Lifecycle(at_hand(server)).restart_comfyui(_caller(Answer.NOTHING, []), Restart(force=True))
    assert len(server.agreed) == 1


@pytest.mark.parametrize("fields", [{}, {"assumed": frozenset(MATTERS)}])
async def test_where_nobody_is_to_be_asked_a_restart_loses_what_it_is_forced_to(fields: dict[str, Any]) -> None:
    server: Any = _Server({"a"})
    asked: list[Question] = []
    caller = _caller(Answer.NO if fields else None, asked, **fields)
    await Lifecycle(at_hand(server)).restart_comfyui(caller, Restart(force=True))
    assert server.agreed == [None]
    assert asked == []


@pytest.fixture
async def restarted(state_dir: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Simulator]:
    """A ComfyUI that runs in its checkout, of which nothing is left whoever has restarted it."""
    with a_checkout(tmp_path) as simulator:
        monkeypatch.setenv("COMFYUI_PORT", str(simulator.port))
        yield simulator
        with another_manager(state_dir) as manager:
            await end_all_jobs(manager)


@ERAS
@pytest.mark.real_process
async def test_a_yes_restarts_comfyui_and_without_one_its_prompt_runs_on(
    manager: JobManager, restarted: Simulator, mode: Any
) -> None:
    person = Person(DECLINED)
    server = build_server(manager, load_settings())
    with watching(restarted.pid) as (old,):
        async with Client(server, mode=mode, elicitation_handler=person) as client:
            calls = Calls(client)
            prompt = (await calls.facts("comfyui_submit", workflow=stuck(), note="tea", wait_s=0))["prompt_id"]
            wait_running(restarted, prompt)
            assert "said no: nothing was done" in await calls.error("restart_comfyui", force=True)
            assert not old.is_dead()
            assert (await calls.facts("comfyui_job", prompt_id=prompt))["status"] == "in_progress"

            person.says = YES
            assert (await calls.facts("restart_comfyui", force=True))["status"] == "restarted"
            assert old.is_dead()
            assert (await calls.facts("comfyui_job", prompt_id=prompt))["status"] == "lost_to_restart"
            question = f"Restart ComfyUI, and lose 1 prompt (1 running, 0 waiting), {prompt} “tea” of "
            assert [asked[: len(question)] for asked in person.asked] == [question] * 2
