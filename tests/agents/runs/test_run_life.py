"""Runs of programs that speak as agents do: from the first event to the last."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.agents import report
from mcp_background_job.agents.catalog import Reference
from mcp_background_job.agents.events import reader
from mcp_background_job.agents.life import watching
from mcp_background_job.agents.requests.request import SpawnRequest
from mcp_background_job.agents.runs import RunManager
from mcp_background_job.core.naming import Asker
from mcp_background_job.core.run import RunStatus
from mcp_background_job.core.waiting import Kind, Until
from mcp_background_job.errors import AgentMissingError, InvalidRequestError, RunStateError, UnknownRunError
from mcp_background_job.jobs import keys as keyboard
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.waiting.wait import WaitRequest
from tests.agents.fake_agents import Agents, assert_numbered, events_until, of, runs_of, types_of
from tests.patience import PATIENCE_S, POLL_S
from tests.survival.support import another_manager, start, tree_of

pytestmark = pytest.mark.real_process


def names_in(*parts: str) -> list[str]:
    return sorted(os.listdir(os.path.join(*parts)))


def modes_below(directory: Path) -> tuple[set[int], set[int]]:
    """The modes of the directories and of the files."""
    paths = [directory, *directory.rglob("*")]
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in paths}
    return {modes[path] for path in paths if path.is_dir()}, {modes[path] for path in paths if path.is_file()}


HELLO = "begin()\ntext('hello ' + sys.stdin.read())\nfinish()\n"


async def test_a_run_tells_its_life_in_events(runs: RunManager, agents: Agents) -> None:
    run = await runs.spawn(agents.codex(HELLO, "world", nickname="bob"))

    events = await events_until(runs, run)

    assert_numbered(events)
    assert types_of(events) == ["run_started", "status_changed", "status_changed", "agent_message", "run_completed"]
    assert events[3]["data"]["text"] == "hello world"
    assert events[-1]["data"]["final_response"] == "hello world"
    ended = await runs.get(Reference(agent_name="bob", cwd=str(agents.workspace)))
    assert ended.state.status is RunStatus.COMPLETED
    assert ended.state.backend_session == "thread-1"
    assert ended.state.summary == "hello world"


@pytest.mark.requirement("runs.no_result")
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("begin()\ntext('hm')\nsys.stderr.write('no key\\n')\n", "no_result"),
        ("begin()\nsys.stderr.write('no key\\n')\nsys.exit(2)\n", "exit"),
        ("begin()\nos.kill(os.getpid(), signal.SIGSEGV)\nhang()\n", "exit"),
        ("begin()\nsay(type='turn.failed', error={'message': '401 Unauthorized'})\nsys.exit(1)\n", "auth"),
    ],
)
async def test_a_run_without_a_result_has_failed_and_says_why(
    runs: RunManager, agents: Agents, body: str, reason: str
) -> None:
    run = await runs.spawn(agents.codex(body))

    events = await events_until(runs, run)

    assert_numbered(events)
    assert events[-1]["type"] == "run_failed"
    assert events[-1]["data"]["reason"] == reason
    if "no key" in body:
        assert events[-1]["data"]["stderr"] == "no key"


async def test_the_end_of_a_long_stderr_is_marked_and_begins_with_a_whole_word(
    runs: RunManager, agents: Agents
) -> None:
    run = await runs.spawn(agents.codex("print('Wörter ' * 5000, file=sys.stderr)\nsys.exit(1)\n"))

    told = (await events_until(runs, run))[-1]["data"]["stderr"]

    assert set(told.split()) == {"…", "Wörter"}
    assert 1900 < len(told) <= 2000


async def test_whoever_asks_for_a_run_alone_is_told_why_it_failed(runs: RunManager, agents: Agents) -> None:
    run = await runs.spawn(agents.command("sh", "-c", "echo working; echo no key >&2; exit 3"))
    await events_until(runs, run)

    told = report.of_run(await runs.get(of(run)))

    assert (told["error"], told["reason"], told["exit_code"], told["stderr"]) == ("exit code 3", "exit", 3, "no key")
    assert told["summary"] == "exit code 3"
    assert told["result"]["final_response"] == "working"


async def test_a_warning_and_then_an_answer_is_a_success(runs: RunManager, agents: Agents) -> None:
    body = "begin()\nsay(type='error', message='Reconnecting... 1/3')\ntext('there')\nfinish()\n"
    run = await runs.spawn(agents.codex(body))

    events = await events_until(runs, run)

    assert events[-1]["type"] == "run_completed"
    assert types_of(events).count("run_failed") == 0


@pytest.mark.requirement("runs.poll")
async def test_polling_a_run_that_is_over_returns_at_once(runs: RunManager, agents: Agents) -> None:
    run = await runs.spawn(agents.codex(HELLO))
    events = await events_until(runs, run)

    async with asyncio.timeout(POLL_S / 2):
        polled = await runs.poll(of(run), after_seq=len(events), wait_s=POLL_S)

    assert (polled.events, polled.next_after_seq) == ([], len(events))


@pytest.mark.requirement("runs.poll")
async def test_a_poll_waits_for_the_next_event_and_no_longer(runs: RunManager, agents: Agents) -> None:
    os.mkfifo(agents.directory / "go")
    body = f"begin()\nopen({str(agents.directory / 'go')!r}).read()\ntext('gone')\nfinish()\n"
    run = await runs.spawn(agents.codex(body))
    before = await runs.poll(of(run), after_seq=2, wait_s=POLL_S)

    nothing = await runs.poll(of(run), after_seq=3, wait_s=0.1)
    waiting = asyncio.create_task(runs.poll(of(run), after_seq=3, wait_s=POLL_S))
    await asyncio.to_thread((agents.directory / "go").write_text, "")

    assert types_of(before.events) == ["status_changed"]
    assert nothing.events == []
    assert types_of((await waiting).events)[0] == "agent_message"
    await events_until(runs, run)


@pytest.mark.requirement("runs.same_events")
async def test_many_followers_of_one_run_get_every_event_in_far_fewer_answers(runs: RunManager, agents: Agents) -> None:
    number, answers = 40, Counter[int]()
    # One process: a shell forks a sleep for each line, which takes a busy machine so long that each line is an answer.
    lines = f"import time\nfor number in range({number}):\n    print(number, flush=True)\n    time.sleep(0.05)\n"
    run = await runs.spawn(agents.command(sys.executable, "-I", "-S", "-c", lines))

    async def follow(follower: int) -> list[int]:
        seqs: list[int] = []
        while True:
            polled = await runs.poll(of(run), after_seq=seqs[-1] if seqs else 0, wait_s=POLL_S)
            answers[follower] += 1
            seqs += [event["seq"] for event in polled.events]
            if polled.run.state.is_over and polled.run.state.seq == seqs[-1]:
                return seqs

    followed = await asyncio.gather(*map(follow, range(30)))

    assert followed == [list(range(1, len(followed[0]) + 1))] * 30
    assert len(followed[0]) > number
    assert max(answers.values()) < number / 2


async def test_every_server_gives_the_same_events(runs: RunManager, agents: Agents, state_dir: str) -> None:
    body = "begin()\nfor number in range(300):\n    text(str(number))\nfinish()\n"
    run = await runs.spawn(agents.codex(body))
    with another_manager(state_dir) as other_jobs:
        other = runs_of(other_jobs)
        mine, theirs = await asyncio.gather(events_until(runs, run), events_until(other, run))

    assert mine == theirs
    assert_numbered(mine)
    assert len(mine) == 2 + 1 + 300 + 1


async def test_what_an_agent_said_while_nobody_looked_is_told_later(
    manager: JobManager, runs: RunManager, agents: Agents, state_dir: str
) -> None:
    run = await runs.spawn(agents.codex(HELLO))
    await runs.close()
    with another_manager(state_dir) as later:
        events = await events_until(runs_of(later), run)

    assert events[-1]["type"] == "run_completed"
    assert (await manager.find(run.record.run_id, Asker(run.record.project))).job_id == run.record.job_id


@pytest.mark.requirement("runs.artifacts")
async def test_a_large_field_is_read_again_in_pieces(runs: RunManager, agents: Agents) -> None:
    run = await runs.spawn(agents.codex("begin()\ntext('é' * 5000 + '€')\nfinish()\n"))
    events = await events_until(runs, run)
    message = next(event for event in events if event["type"] == "agent_message")
    offset, read = 0, ""
    while offset < message["data"]["artifact_refs"]["/text"]["total_bytes"]:
        piece = await runs.artifact(of(run), seq=message["seq"], field_path="/text", offset=offset, limit=999)
        read += piece.content
        offset = piece.offset + piece.returned_bytes

    assert read == "é" * 5000 + "€"
    with pytest.raises(InvalidRequestError, match=r"No artifact for field_path /x\. Available field paths: /text"):
        await runs.artifact(of(run), seq=message["seq"], field_path="/x", offset=0, limit=10)
    with pytest.raises(InvalidRequestError, match="No artifacts found for seq 1"):
        await runs.artifact(of(run), seq=1, field_path="/text", offset=0, limit=10)


# -- the environment ---------------------------------------------------------------------------------------------------

TELL = """
begin()
text(json.dumps({"env": dict(os.environ), "cwd": os.getcwd()}))
open(os.environ["TMPDIR"] + "/left", "w").close()
os.makedirs(os.environ["TMPDIR"] + "/readonly/inner")
os.chmod(os.environ["TMPDIR"] + "/readonly", 0o500)
finish()
"""


@pytest.mark.requirement("runs.environment")
async def test_an_agent_gets_a_chosen_environment_and_a_temporary_directory_that_goes_with_it(
    state_dir: str, agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_OURS", "x")
    monkeypatch.setenv("ASKED_FOR", "yes")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("MCP_BG_RUN_ENV", "ASKED_*,OTHER")
    monkeypatch.setenv("PATH", f"{agents.workspace}:.::{os.environ['PATH']}")
    with another_manager(state_dir) as manager:  # a manager has the environment in which it was made
        await manager.places.start()
        runs = runs_of(manager)
        run = await runs.spawn(agents.codex(TELL))
        events = await events_until(runs, run)
        await runs.close()

    message = next(event for event in events if event["type"] == "agent_message")
    told = json.loads(message["data"]["text"])
    env = told["env"]
    assert "SECRET_OF_OURS" not in env
    assert (env["ASKED_FOR"], env["LC_ALL"], env["MCP_BG_RUN_ID"]) == ("yes", "C.UTF-8", run.record.run_id)
    assert str(agents.workspace) not in env["PATH"].split(":")
    assert all(part.startswith("/") for part in env["PATH"].split(":"))
    assert told["cwd"] == str(agents.workspace)
    assert "tmp" not in names_in(os.path.dirname(env["TMPDIR"]))


async def test_what_is_kept_of_a_run_is_private_and_outside_the_workspace(
    runs: RunManager, agents: Agents, state_dir: str
) -> None:
    run = await runs.spawn(agents.codex("begin()\ntext('x' * 9000)\nfinish()\n"))
    await events_until(runs, run)

    directories, files = modes_below(Path(state_dir) / "runs" / run.record.run_id)
    assert directories == {0o700}
    assert files == {0o600}
    assert tree_of(str(agents.workspace)) == {str(agents.workspace): (0, b"")}


# -- refusals ----------------------------------------------------------------------------------------------------------

REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "relative": ({"cwd": "rel"}, "cwd must be an absolute path: rel"),
    "missing": ({"cwd": "/nonexist"}, "ENOENT: no such file or directory, stat '/nonexist'"),
    "no prompt": ({"prompt": None}, "Provide prompt or input_message"),
    "blank prompt": ({"prompt": " "}, "Provide prompt or input_message"),
    "no session": ({"session_mode": "resume"}, "session_id is required"),
    "unknown session": ({"session_mode": "resume", "session_id": "nope"}, "Unknown session_id: nope"),
    "unknown backend": ({"backend": "nope"}, "backend 'nope'"),
    "unknown role": ({"role": "boss"}, "role 'boss' is unknown"),
    "no part": ({"input_message": {"role": "user", "parts": []}}, "at least one part"),
    "bad part": ({"input_message": {"role": "user", "parts": [{"type": "text"}]}}, "cannot be used"),
    "no time": ({"timeout_s": 0}, "timeout_s=0"),
    "no silence": ({"idle_timeout_s": -1}, "idle_timeout_s=-1"),
    "long name": ({"nickname": "n" * 201}, "nickname has 201 characters; at most 200"),
    "a word as a name": ({"nickname": "parent"}, "give another nickname"),
    "no profile": ({"profile": "gone"}, "gone does not exist"),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_a_request_that_cannot_be_met_is_refused_and_nothing_is_written(
    runs: RunManager, state_dir: str, workspace: Path, case: str
) -> None:
    values, sentence = REFUSALS[case]
    asked: dict[str, Any] = {"backend": "command", "cwd": str(workspace), "prompt": "x", **values}

    with pytest.raises(InvalidRequestError) as refusal:
        await runs.spawn(SpawnRequest(config={"command": ["true"]}, **asked))

    assert sentence in str(refusal.value)
    assert "runs" not in names_in(state_dir)


async def test_an_agent_that_is_not_there_is_an_error_that_says_what_to_install(
    runs: RunManager, agents: Agents, state_dir: str
) -> None:
    with pytest.raises(AgentMissingError, match="install"):
        await runs.spawn(agents.codex(HELLO, config={"binary": "/no/such/codex"}))
    assert "runs" not in names_in(state_dir)


async def test_a_pattern_for_commands_holds_for_a_program_that_the_caller_chooses(
    state_dir: str, agents: Agents
) -> None:
    with another_manager(state_dir, allowed_commands=["/bin/echo"]) as jobs:
        runs = runs_of(jobs)
        with pytest.raises(InvalidRequestError, match="MCP_BG_ALLOWED_COMMANDS"):
            await runs.spawn(agents.command("/bin/cat"))
        with pytest.raises(InvalidRequestError, match="'/bin/cat --acp' matches none"):
            await runs.spawn(replace(agents.command("/bin/cat", "--acp"), backend="acp"))
        with pytest.raises(InvalidRequestError, match="matches none"):
            await runs.spawn(agents.codex(HELLO))
        assert names_in(state_dir, "runs") == names_in(state_dir, "jobs") == []
        await events_until(runs, await runs.spawn(agents.command("/bin/echo")))


async def test_runs_are_found_by_id_by_name_and_by_place(runs: RunManager, agents: Agents) -> None:
    first = await runs.spawn(agents.codex(HELLO, nickname="bob"))
    second = await runs.spawn(agents.codex(HELLO, nickname="bob"))
    await asyncio.gather(events_until(runs, first), events_until(runs, second))

    assert (await runs.get(Reference(agent_name="bob"))).record == second.record
    third = await runs.spawn(agents.codex(HELLO, nickname="bob", cwd=str(agents.directory)))
    await events_until(runs, third)
    with pytest.raises(InvalidRequestError, match="agent_name is ambiguous across multiple cwd values: bob"):
        await runs.get(Reference(agent_name="bob"))
    assert (await runs.get(Reference(agent_name="bob", cwd=str(agents.workspace)))).record == second.record
    for reference, sentence in (
        (Reference(run_id="nope"), "Unknown run_id: nope"),
        (Reference(run_id="../../x"), "Unknown run_id: ../../x"),
        (Reference(agent_name="x"), "Unknown agent_name: x"),
        (Reference(agent_name="x", cwd="/tmp"), "Unknown agent_name in cwd /tmp: x"),
    ):
        with pytest.raises(UnknownRunError) as unknown:
            await runs.get(reference)
        assert str(unknown.value) == sentence
    with pytest.raises(InvalidRequestError, match="Provide run_id or agent_name"):
        await runs.get(Reference())
    listed = [run.record.run_id for run in (await runs.list()).runs]
    assert listed == [run.record.run_id for run in (third, second, first)]
    assert [
        run.record.run_id for run in (await runs.list(cwd=str(agents.workspace), limit=1, offset=1)).runs
    ] == listed[2:]
    assert (await runs.list(status="failed")).runs == []
    assert len((await runs.list(status="completed", backend="codex")).runs) == 3


# -- the queue ---------------------------------------------------------------------------------------------------------


async def test_who_asks_how_a_run_is_does_not_wait_until_a_flood_is_read(
    manager: JobManager, runs: RunManager, agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    for room, name, value in ((reader, "_PIECE", 1000), (reader, "_VISIT_S", 0.0), (watching, "LOOK_S", 0.0)):
        monkeypatch.setattr(room, name, value)
    go = agents.directory / "go"
    os.mkfifo(go)
    run = await runs.spawn(agents.command("sh", "-c", f"cat {go}; seq 10000"))
    await asyncio.to_thread(go.write_text, "")
    job = await manager.find(run.record.job_id)
    await manager.wait(job, WaitRequest(until=Until(Kind.EXIT), wait_s=PATIENCE_S))

    seen = await runs.get(of(run))
    (listed,) = (await runs.list()).runs

    assert seen.state.status is listed.state.status is RunStatus.RUNNING
    assert seen.state.seq < listed.state.seq < 10_000
    assert report.of_run(seen)["note"].startswith("its agent has ended")
    with pytest.raises(RunStateError, match="has ended; get_run says how"):
        await runs.cancel(of(run), by="test")
    with pytest.raises(RunStateError, match="has ended; get_run says how"):
        await runs.go_on(of(run), _message("more"))
    monkeypatch.setattr(watching, "LOOK_S", PATIENCE_S)
    ended = await runs.get(of(run))
    assert (ended.state.status, ended.state.seq) == (RunStatus.COMPLETED, 10_003)
    assert "note" not in report.of_run(ended)


@pytest.mark.requirement("runs.limit")
async def test_further_runs_wait_for_their_turn_and_can_be_cancelled_there(
    manager: JobManager, agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCP_BG_MAX_RUNS", "1")
    runs = runs_of(manager)
    os.mkfifo(agents.directory / "go")
    waits = f"begin()\nopen({str(agents.directory / 'go')!r}).read()\nfinish()\n"
    first = await runs.spawn(agents.codex(waits))
    second, third = [await runs.spawn(agents.codex(HELLO)) for _ in range(2)]
    assert [run.state.status for run in (second, third)] == [RunStatus.QUEUED] * 2
    with pytest.raises(RunStateError, match="run has not started yet: queued"):
        await runs.go_on(of(second), {"role": "user", "parts": [{"type": "text", "text": "x"}]})

    cancelled = await runs.cancel(of(second), by="test")
    await asyncio.to_thread((agents.directory / "go").write_text, "")

    assert cancelled.run.state.status is RunStatus.CANCELLED
    assert cancelled.stopped.escalation == "polite"
    assert types_of(await events_until(runs, third))[-1] == "run_completed"
    assert types_of(await events_until(runs, first))[-1] == "run_completed"
    assert_numbered(await events_until(runs, second))
    await runs.close()


# -- going on ----------------------------------------------------------------------------------------------------------

ASKS = """
said = greet()
allowed = ask("r1", "rm -rf " + said)
speak("answer: " + allowed["behavior"])
done("ok")
while hear() is not None:
    pass
"""


def _message(text: str = "", **data: object) -> dict[str, object]:
    parts: list[dict[str, object]] = [{"type": "text", "text": text}] if text else []
    return {"role": "user", "parts": [*parts, *([{"type": "data", "data": data}] if data else [])]}


@pytest.mark.requirement("runs.continue")
@pytest.mark.parametrize("by_another", [False, True])
async def test_a_question_is_answered_while_the_agent_waits(
    runs: RunManager, agents: Agents, state_dir: str, *, by_another: bool
) -> None:
    run = await runs.spawn(agents.claude(ASKS, "dist"))
    asked = await events_until(runs, run, RunStatus.INPUT_REQUIRED)
    waiting = await runs.get(of(run))
    assert waiting.state.request
    assert waiting.state.request["data"]["tool_call"]["input"] == {"command": "rm -rf dist"}
    assert asked[-1]["type"] == "input_required"

    if by_another:
        await runs.close()
        with another_manager(state_dir) as jobs:
            continued = await runs_of(jobs).go_on(of(run), _message(option_id="allow_once"))
    else:
        continued = await runs.go_on(of(run), _message("yes"))

    assert (continued.mode, continued.run.record) == ("live", run.record)
    events = await events_until(runs, run)
    assert_numbered(events)
    assert types_of(events[len(asked) :])[:2] == ["message_added", "status_changed"]
    assert {"text": "answer: allow", "message_id": "m"} in [event["data"] for event in events]
    assert events[-1]["type"] == "run_completed"


async def test_of_two_who_answer_one_does(runs: RunManager, agents: Agents) -> None:
    run = await runs.spawn(agents.claude(ASKS))
    await events_until(runs, run, RunStatus.INPUT_REQUIRED)

    answers = await asyncio.gather(
        *(runs.go_on(of(run), _message(option_id="allow_once")) for _ in range(2)), return_exceptions=True
    )

    (refused,) = [answer for answer in answers if isinstance(answer, BaseException)]
    assert isinstance(refused, RunStateError | InvalidRequestError)
    events = await events_until(runs, run)
    assert types_of(events).count("message_added") == 1
    assert_numbered(events)
    with pytest.raises(RunStateError, match="run is not awaiting additional input: completed"):
        await runs.go_on(of(run), _message(option_id="allow_once"))


async def test_an_agent_that_waits_for_more_to_do_is_let_go_when_it_has_said_its_last_word(
    runs: RunManager, agents: Agents
) -> None:
    body = "connect('agent')\ngreet()\ndone('ok')\nwhile hear() is not None:\n    pass\n"
    await runs.spawn(agents.claude(body))
    agents.liveness.expect("agent")

    await asyncio.to_thread(agents.liveness.wait_dead, "agent")  # and nobody polls


RESUMES = """
session = sys.argv[sys.argv.index("resume") + 1] if "resume" in sys.argv else None
resumed = next((argument for argument in sys.argv if argument == "thread-1"), "none")
begin()
text("resumed " + resumed + ": " + sys.stdin.read())
finish()
"""


@pytest.mark.requirement("runs.continue")
@pytest.mark.parametrize("how", ["completed", "failed", "cancelled"])
async def test_a_run_that_is_over_goes_on_in_a_new_one(runs: RunManager, agents: Agents, how: str) -> None:
    first = {
        "completed": "begin()\nfinish()\n",
        "failed": "begin()\nsys.exit(1)\n",
        "cancelled": "begin()\nconnect('agent')\nhang()\n",
    }[how]
    body = f"if 'thread-1' not in sys.argv:\n    {first.strip().replace(chr(10), chr(10) + '    ')}\nelse:\n    "
    body += RESUMES.strip().replace("\n", "\n    ")
    run = await runs.spawn(agents.codex(body, nickname="bob", metadata={"task": 7}))
    if how == "cancelled":
        agents.liveness.expect("agent")
        await runs.cancel(of(run), by="test")
    await events_until(runs, run)

    continued = await runs.go_on(of(run), _message("and now?"))

    record = continued.run.record
    assert continued.mode == "resume"
    assert record.run_id != run.record.run_id
    assert record.resumed_from_run_id == run.record.run_id
    assert (record.session_id, record.agent_name) == (run.record.session_id, "bob")
    assert record.metadata == {"task": 7}
    events = await events_until(runs, continued.run)
    assert "resumed thread-1: and now?" in [event["data"].get("text") for event in events]


async def test_a_run_that_works_is_not_interrupted_by_more_input(runs: RunManager, agents: Agents) -> None:
    run = await runs.spawn(agents.codex("begin()\nconnect('agent')\nhang()\n"))
    agents.liveness.expect("agent")

    with pytest.raises(RunStateError) as refusal:
        await runs.go_on(of(run), _message("x"))

    assert str(refusal.value) == "run is not awaiting additional input: running"
    await runs.cancel(of(run), by="test")


async def test_a_session_without_an_id_of_the_agents_cannot_be_gone_on_with(runs: RunManager, agents: Agents) -> None:
    run = await runs.spawn(agents.codex("sys.exit(1)\n"))
    await events_until(runs, run)

    with pytest.raises(RunStateError, match=f"Session {run.record.session_id} cannot be continued: .* spawn_run"):
        await runs.go_on(of(run), _message("x"))


async def test_a_session_whose_agent_has_not_named_it_yet_can_be_asked_for_later(
    runs: RunManager, agents: Agents
) -> None:
    run = await runs.spawn(agents.codex("connect('agent')\nhang()\n"))
    agents.liveness.expect("agent")
    resumed = replace(agents.codex("finish()\n"), session_mode="resume", session_id=run.record.session_id)

    with pytest.raises(RunStateError, match=f"no backend session id yet: .* when run {run.record.run_id} has said"):
        await runs.spawn(resumed)

    await runs.cancel(of(run), by="test")


async def test_a_run_is_not_restarted_as_a_job(manager: JobManager, runs: RunManager, agents: Agents) -> None:
    run = await runs.spawn(agents.codex(HELLO))
    await events_until(runs, run)

    with pytest.raises(InvalidRequestError, match="continue_run goes on with it"):
        await manager.restart(run.record.job_id)


async def test_nobody_types_into_a_run(manager: JobManager, runs: RunManager, agents: Agents) -> None:
    run = await runs.spawn(agents.codex("begin()\nconnect('agent')\nhang()\n"))
    agents.liveness.expect("agent")
    job = await manager.find(run.record.job_id)

    with pytest.raises(InvalidRequestError, match=f"is run {run.record.run_id} of an agent.*continue_run answers"):
        await keyboard.send(manager, job, "Ada", [])
    with pytest.raises(InvalidRequestError, match="cancel_run ends it"):
        await keyboard.send(manager, job, None, ["ctrl-c"])

    assert (await runs.cancel(of(run), by="test")).run.state.status is RunStatus.CANCELLED


# -- retention ---------------------------------------------------------------------------------------------------------


async def test_old_runs_are_removed_with_all_that_is_theirs_and_others_are_not(
    runs: RunManager, agents: Agents, state_dir: str
) -> None:
    ended = await runs.spawn(agents.codex(HELLO))
    await events_until(runs, ended)
    live = await runs.spawn(agents.codex("begin()\nconnect('agent')\nhang()\n"))
    agents.liveness.expect("agent")

    assert await runs.prune() == []
    assert await runs.prune(older_than_s=0) == [ended.record.run_id]

    assert os.listdir(os.path.join(state_dir, "runs")) == [live.record.run_id]
    await runs.cancel(of(live), by="test")


async def test_a_session_is_not_gone_on_with_from_within_its_own_run(
    manager: JobManager, runs: RunManager, agents: Agents
) -> None:
    asked = agents.codex("begin()\nconnect('agent')\nhang()\n")
    run = await runs.spawn(asked)
    await asyncio.to_thread(agents.liveness.expect, "agent")
    inner = await start(manager, agents.liveness.holder("inner"), parent=run.record.job_id)
    again = replace(asked, session_mode="resume", session_id=run.record.session_id)

    for own in (run.record.job_id, inner.job_id):
        manager.own_job = own
        with pytest.raises(RunStateError, match=f"in use by run {run.record.run_id}, which this request comes from"):
            await runs.spawn(again)

    manager.own_job = None
    outside = await runs.spawn(again)  # it has its turn when the other is over
    assert outside.state.status is RunStatus.QUEUED
    await runs.cancel(of(outside), by="test")
    await runs.cancel(of(run), by="test")
