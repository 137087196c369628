"""Cancelling a run, its limits and its leftovers: nothing of it is left, whatever its agent has made of itself."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mcp_background_job.agents import records, report
from mcp_background_job.agents.adapters.base import Launch
from mcp_background_job.agents.life import stopping
from mcp_background_job.agents.records import CancelIntent
from mcp_background_job.agents.runs import RunManager
from mcp_background_job.core.run import RunStatus
from mcp_background_job.errors import RunStateError
from mcp_background_job.jobs.manager import JobManager
from tests.agents.fake_agents import Agents, assert_numbered, events_until, is_end, of, runs_of
from tests.patience import PATIENCE_S, WAIT_S
from tests.survival.support import Server, another_manager, ended, kill_and_wait, runner_of, start

pytestmark = pytest.mark.real_process

#: What an agent's tool may have made of itself. The agent is "agent"; nobody reads its stdout any more.
HOSTILE = {
    "a tool in its own session": "fork_into(os.setsid, lambda: connect('tool'))",
    "a tool that ignores what can be ignored": (
        "fork_into(os.setsid, lambda: ignore(1, 2, 3, 15), lambda: connect('tool'))"
    ),
    "a daemon": "daemon(lambda: connect('tool'))",
    "a daemon without an environment": "daemon(lambda: bare('tool'))",
    "all ignore what can be ignored": "ignore(1, 2, 3, 15)\nfork_into(os.setsid, lambda: connect('tool'))",
    "a stopped tool": (
        "fork_into(os.setsid, lambda: connect('tool'), lambda: os.kill(os.getpid(), signal.SIGSTOP))\n"
        "os.waitpid(-1, os.WUNTRACED)"
    ),
}

#: Forks children faster than they are listed; each connects, so that the kernel tells when the last is gone.
_FORK_LOOP = """
def breed():
    os.setsid()
    ignore(1, 2, 3, 15)
    connect("tool")
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if os.fork() == 0:
            time.sleep(0.02)
            os._exit(0)
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            pass

fork_into(breed)
"""


def _let_heed_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill no agent that heeds the signal, but late, as on a busy machine."""
    monkeypatch.setattr(Launch.__init__, "__kwdefaults__", {**(Launch.__init__.__kwdefaults__ or {}), "grace_s": 10.0})


@pytest.mark.requirement("runs.cancel")
@pytest.mark.parametrize("form", [*HOSTILE, "a tool that forks in a loop"])
async def test_a_cancel_is_answered_when_every_process_is_dead(
    runs: RunManager, agents: Agents, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hard = "ignore" in form or "loop" in form
    if not hard:
        _let_heed_late(monkeypatch)
    body = f"begin()\nconnect('agent')\n{HOSTILE.get(form, _FORK_LOOP)}\nhang()\n"
    run = await runs.spawn(agents.codex(body))
    await asyncio.to_thread(agents.liveness.expect, "agent", "tool")

    cancelled = await runs.cancel(of(run), by="test")

    agents.liveness.assert_dead("agent", "tool")
    assert cancelled.run.state.status is RunStatus.CANCELLED
    assert cancelled.stopped.leftover == ()
    assert (cancelled.stopped.escalation == "kill") == hard
    assert bool(cancelled.stopped.killed) == hard
    assert_numbered(await events_until(runs, run))
    with pytest.raises(RunStateError) as refusal:
        await runs.cancel(of(run), by="test")
    assert str(refusal.value) == "run is already terminal: cancelled"


INTERRUPTED = """
connect("agent")
greet()
speak("working")
fork_into(os.setsid, lambda: connect("tool"))
while (message := hear()) is not None:
    if message.get("request", {}).get("subtype") == "interrupt":
        say(type="result", subtype="error_during_execution", is_error=True, session_id="session-1")
        break
if ENDS:
    os._exit(7)
hang()
"""


@pytest.mark.requirement("runs.cancel")
@pytest.mark.parametrize("ends", [True, False])
async def test_an_agent_is_told_to_stop_before_it_is_signalled(
    runs: RunManager, agents: Agents, monkeypatch: pytest.MonkeyPatch, *, ends: bool
) -> None:
    if ends:  # by itself, however late
        monkeypatch.setattr(stopping, "MESSAGE_GRACE_S", WAIT_S)
    body = INTERRUPTED.replace("ENDS", str(ends))
    run = await runs.spawn(agents.claude(body))
    await asyncio.to_thread(agents.liveness.expect, "agent", "tool")
    async with asyncio.timeout(PATIENCE_S):
        while (await runs.get(of(run))).state.summary != "working":
            await runs.poll(of(run), after_seq=(await runs.get(of(run))).state.seq, wait_s=1)

    cancelled = await runs.cancel(of(run), by="test")

    agents.liveness.assert_dead("agent", "tool")
    assert cancelled.run.state.status is RunStatus.CANCELLED
    events = await events_until(runs, run)
    assert_numbered(events)
    assert events[-1]["data"]["status"] == "cancelled"
    if ends:
        assert events[-1]["data"]["exit_code"] == 7  # by itself, not by a signal


@pytest.mark.usefixtures("state_dir")
@pytest.mark.requirement("runs.any_server")
@pytest.mark.parametrize("dies", [False, True])
async def test_a_run_is_cancelled_from_any_server_and_after_the_death_of_its_own(agents: Agents, *, dies: bool) -> None:
    body = "begin()\nconnect('agent')\ndaemon(ignore, lambda: connect('tool'))\nhang()\n"
    binary = agents.install("codex", body)
    asked = {"backend": "codex", "cwd": str(agents.workspace), "prompt": "x", "backend_config": {"binary": binary}}
    with Server() as first:
        spawned = await asyncio.to_thread(lambda: first.call("spawn_run", **asked))
        await asyncio.to_thread(agents.liveness.expect, "agent", "tool")
        if dies:
            first.kill_and_read()
        with Server() as second:
            listed = await asyncio.to_thread(lambda: second.call("list_runs"))
            cancelled = await asyncio.to_thread(lambda: second.call("cancel_run", run_id=spawned["run_id"]))

    agents.liveness.assert_dead("agent", "tool")
    assert [run["status"] for run in listed["runs"]] == ["running"]
    assert (cancelled["status"], cancelled["stopped"], cancelled["leftover_pids"]) == ("cancelled", True, [])


@pytest.mark.requirement("runs.limits")
@pytest.mark.parametrize(
    ("limit", "sentence"), [("timeout_s", "time limit of 5 s"), ("idle_timeout_s", "no output for 5 s")]
)
async def test_a_limit_ends_a_run_and_all_that_it_started_with_no_server_alive(
    agents: Agents, state_dir: str, limit: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _let_heed_late(monkeypatch)
    ends_by_its_own_signal = "ignore(signal.SIGTERM)\nsignal.signal(signal.SIGINT, lambda *_: os._exit(9))\n"
    body = f"{ends_by_its_own_signal}begin()\nconnect('agent')\ndaemon(lambda: connect('tool'))\nhang()\n"
    with another_manager(state_dir) as jobs:
        runs = runs_of(jobs)
        # By then, the agent must heed the signal and its tool be there, on a busy machine too.
        run = await runs.spawn(replace(agents.codex(body), **{limit: 5.0}))
        await runs.close()
    await asyncio.to_thread(agents.liveness.expect, "agent", "tool")

    await asyncio.to_thread(agents.liveness.wait_dead, "agent", "tool")

    with another_manager(state_dir) as jobs:
        events = await events_until(runs_of(jobs), run)
    assert_numbered(events)
    assert events[-1]["type"] == "run_failed"
    assert events[-1]["data"]["reason"] == "time_limit"
    assert events[-1]["data"]["error"].startswith(sentence)
    assert "SIGINT, asked by runner" in events[-1]["data"]["error"]
    assert events[-1]["data"]["exit_code"] == 9


LEAVES = "begin()\nconnect('agent')\ndaemon(ignore, lambda: connect('left'))\ntext('done')\nfinish()\n"


@pytest.mark.requirement("runs.leftovers")
async def test_what_outlives_an_agent_that_ended_well_is_ended(runs: RunManager, agents: Agents) -> None:
    run = await runs.spawn(agents.codex(LEAVES))

    events = await events_until(runs, run)

    await asyncio.to_thread(agents.liveness.expect, "agent", "left")
    agents.liveness.assert_dead("agent", "left")
    assert events[-1]["type"] == "run_completed"
    assert_numbered(events)


@pytest.mark.requirement("runs.leftovers")
async def test_what_outlives_an_agent_is_reported_and_left_alone_if_that_is_asked(
    manager: JobManager, runs: RunManager, agents: Agents
) -> None:
    run = await runs.spawn(agents.codex(LEAVES, leftovers="report"))

    events = await events_until(runs, run)

    await asyncio.to_thread(agents.liveness.expect, "agent", "left")
    agents.liveness.assert_alive("left")
    assert events[-1]["type"] == "run_completed"
    assert len(events[-1]["data"]["leftover_pids"]) == 1
    told = report.of_run(await runs.get(of(run)))
    assert told["leftover_pids"] == events[-1]["data"]["leftover_pids"]
    assert_numbered(events)
    await manager.kill(run.record.job_id, by="test", grace_s=0)
    assert (await runs.get(of(run))).state.is_tidy


@pytest.mark.requirement("runs.lost")
async def test_a_run_whose_runner_is_killed_has_failed_when_nothing_of_it_is_left(
    runs: RunManager, agents: Agents, state_dir: str
) -> None:
    body = "begin()\nconnect('agent')\ndaemon(lambda: connect('tool'))\nhang()\n"
    run = await runs.spawn(agents.codex(body))
    await asyncio.to_thread(agents.liveness.expect, "agent", "tool")
    await events_until(runs, run, RunStatus.RUNNING)

    await asyncio.to_thread(kill_and_wait, runner_of(state_dir, run.record.job_id))
    events = await events_until(runs, run)

    agents.liveness.assert_dead("agent", "tool")
    assert (events[-1]["type"], events[-1]["data"]["reason"]) == ("run_failed", "lost")
    assert_numbered(events)


async def test_a_run_that_is_killed_as_a_job_was_cancelled(
    manager: JobManager, runs: RunManager, agents: Agents
) -> None:
    body = "begin()\nconnect('agent')\nhang()\n"
    run = await runs.spawn(agents.codex(body))
    await asyncio.to_thread(agents.liveness.expect, "agent")

    await manager.kill(run.record.job_id, by="somebody", why="enough")

    events = await events_until(runs, run)
    assert events[-1]["data"]["status"] == "cancelled"
    assert "enough" in events[-1]["data"]["reason"]
    assert_numbered(events)


async def test_a_wish_that_comes_after_the_end_changes_nothing(
    runs: RunManager, agents: Agents, state_dir: str, manager: JobManager
) -> None:
    run = await runs.spawn(agents.codex("begin()\nfinish()\n"))
    await ended(manager, run.record.job_id)  # and nobody has read what it said
    wish = records.encode(CancelIntent(at=time.time(), by="test"))
    (Path(state_dir) / "runs" / run.record.run_id / "cancel.json").write_bytes(wish)

    events = await events_until(runs, run)

    assert events[-1]["type"] == "run_completed"


async def test_a_wish_that_cannot_be_read_was_a_wish(runs: RunManager, agents: Agents, state_dir: str) -> None:
    run = await runs.spawn(agents.codex("begin()\nfinish()\nconnect('agent')\nhang()\n"))
    await asyncio.to_thread(agents.liveness.expect, "agent")
    (Path(state_dir) / "runs" / run.record.run_id / "cancel.json").write_text("{")
    await asyncio.to_thread(agents.liveness.end_all)

    events = await events_until(runs, run)

    assert events[-1]["data"]["status"] == "cancelled"


async def test_a_run_whose_job_was_never_recorded_has_failed(runs: RunManager, agents: Agents, state_dir: str) -> None:
    run = await runs.spawn(agents.codex("begin()\nfinish()\n"))
    await events_until(runs, run)
    directory = Path(state_dir) / "runs" / run.record.run_id
    for name in ("events.jsonl", "checkpoint.json"):
        (directory / name).unlink()
    job = Path(state_dir) / "jobs" / run.record.job_id
    for path in job.iterdir():
        path.unlink(missing_ok=True)  # as after a crash between the claim of the id and the record

    events = await events_until(runs, run)

    assert (events[-1]["type"], events[-1]["data"]["reason"]) == ("run_failed", "not_started")


#: Says much for as long as it lives, more than an agent does and less than can be read.
_BURST = (
    "begin()\nconnect('agent')\nnumber = 0\nwhile True:\n    number += 1\n    text(str(number))\n    time.sleep(2e-4)\n"
)

#: Says more than can be read.
_FLOOD = """
begin()
connect("agent")
line = json.dumps({"type": "item.completed", "item": {"id": "item_0", "type": "agent_message", "text": "x"}}) + "\\n"
while True:
    sys.stdout.write(line * 1000)
"""


async def _cancel_during_a_burst(runs: RunManager, agents: Agents, turn: int) -> None:
    run = await runs.spawn(agents.codex(_BURST))
    follower = asyncio.create_task(events_until(runs, run))
    await asyncio.to_thread(agents.liveness.expect_many, "agent", turn + 1)

    await runs.cancel(of(run), by="test")

    events = await follower
    assert_numbered(events)
    told = [event["data"]["text"] for event in events if event["type"] == "agent_message"]
    assert told == [str(number) for number in range(1, len(told) + 1)]
    assert sum(map(is_end, events)) == 1
    agents.liveness.assert_dead("agent")


@pytest.mark.requirement("runs.same_events")
async def test_no_number_is_missing_or_given_twice_when_a_run_is_cancelled_while_it_talks(
    runs: RunManager, agents: Agents
) -> None:
    for turn in range(4):
        await _cancel_during_a_burst(runs, agents, turn)


@pytest.mark.nightly
@pytest.mark.requirement("runs.same_events")
async def test_no_number_is_missing_or_given_twice_in_200_cancels(runs: RunManager, agents: Agents) -> None:
    for turn in range(200):
        await _cancel_during_a_burst(runs, agents, turn)


async def test_an_agent_that_says_more_than_can_be_read_is_followed_and_cancelled_like_any_other(
    runs: RunManager, agents: Agents
) -> None:
    run = await runs.spawn(agents.codex(_FLOOD))
    await asyncio.to_thread(agents.liveness.expect, "agent")
    async with asyncio.timeout(PATIENCE_S):
        first = await runs.poll(of(run), after_seq=0, limit=10)
        second = await runs.poll(of(run), after_seq=first.next_after_seq, limit=10)
        assert (await runs.get(of(run))).state.status is RunStatus.RUNNING

        cancelled = await runs.cancel(of(run), by="test")

    agents.liveness.assert_dead("agent")
    told = [event["seq"] for event in first.events + second.events]
    assert told == list(range(1, len(told) + 1))
    assert second.events
    assert (cancelled.run.state.status, cancelled.stopped.leftover) == (RunStatus.CANCELLED, ())


async def test_other_jobs_are_not_touched_by_a_cancel(manager: JobManager, runs: RunManager, agents: Agents) -> None:
    other = await start(manager, agents.liveness.holder("other"))
    body = "begin()\nconnect('agent')\nhang()\n"
    run = await runs.spawn(agents.codex(body))
    await asyncio.to_thread(agents.liveness.expect, "agent", "other")

    await runs.cancel(of(run), by="test")

    agents.liveness.assert_alive("other")
    await manager.kill(other.job_id, by="test")
