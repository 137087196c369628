"""What a restart does to prompts: each is submitted again once, under its id and in its order, or said to be lost."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from pathlib import Path

import pytest

from mcp_background_job.core.comfyui.submission import Stage, Submission
from mcp_background_job.core.waiting import Kind, Until
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.waiting.wait import WaitRequest
from tests.comfyui.lifecycle.lifecycle_support import (
    Control,
    a_checkout,
    control_of,
    pending,
    queued,
    stuck,
    the_listener,
    wait_running,
    watching,
)
from tests.comfyui.talk import Listener, ask, entry, is_end, submit
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator
from tests.nursery.starts import NURSERY
from tests.patience import PATIENCE_S, WAIT_S, wait_until
from tests.survival.support import another_manager

pytestmark = pytest.mark.real_process


async def _fill(control: Control, simulator: Simulator) -> list[str]:
    """Let one prompt run for ever, and others wait: of others than us too, and some that pushed in."""
    wedge = await control.submit(stuck(), "wedge")
    wait_running(simulator, wedge)
    first = await control.submit(stuck(), "first")
    others = submit(simulator, stuck())
    pushed_in = await control.submit(stuck(), "pushed in", front=True)
    pushed_in_more = await control.submit(stuck(), "pushed in more", front=True)
    pushed_in_most = await control.submit(stuck(), "pushed in most", front=True)
    last = await control.submit(stuck(), "last")
    queue = [pushed_in_most, pushed_in_more, pushed_in, first, others, last]
    assert pending(simulator) == queue
    return [wedge, *queue]


@pytest.mark.parametrize(("requeue", "version"), [("none", "new"), ("pending", "old"), ("all", "new")])
async def test_prompts_are_submitted_again_as_wished_for_and_the_rest_is_lost(
    tmp_path: Path, manager: JobManager, requeue: str, version: str
) -> None:
    with a_checkout(tmp_path, "--version", version) as simulator:
        async with control_of(manager, simulator.port) as control:
            prompts = await _fill(control, simulator)
            again = {"none": [], "pending": prompts[1:], "all": prompts}[requeue]
            lost = [prompt_id for prompt_id in prompts if prompt_id not in again]
            outcome = await control.restart(force=True, requeue=requeue)

            assert outcome.status == "restarted"
            assert outcome.requeued == {prompt_id: prompt_id for prompt_id in again}
            assert list(outcome.lost) == lost
            # Those that were in front of all come first again; the wedge ran already when they came.
            expected = [*again[1:4], again[0], *again[4:]] if requeue == "all" else again
            assert queued(simulator) == expected
            for prompt_id in prompts:  # whether somebody asks for it or not
                known = control.journal.get(prompt_id)
                assert known is not None
                assert (known.end is not None) == (prompt_id in lost)
            status = await control.comfyui.status()
            for _ in range(2):
                for prompt_id in lost:
                    assert await control.state_of(prompt_id) == "lost_to_restart"
                for prompt_id in again:
                    assert await control.state_of(prompt_id) in ("in_progress", "pending")
                status = await control.comfyui.status()
                assert [prompt.prompt_id for prompt in (*status.running, *status.pending)] == expected
            notes = [
                prompt.submission.note if prompt.submission else "" for prompt in (*status.running, *status.pending)
            ]
            told = ["wedge", "pushed in most", "pushed in more", "pushed in", "first", "", "last"]
            names = dict(zip(prompts, told, strict=True))
            assert notes == [names[prompt_id] for prompt_id in expected]


async def test_who_submitted_a_prompt_by_himself_hears_of_its_end_after_the_restart(
    tmp_path: Path, manager: JobManager
) -> None:
    with a_checkout(tmp_path) as simulator:
        wait_running(simulator, submit(simulator, stuck()))
        others = submit(simulator, graphs.gated(tmp_path / "gate"), client_id="browser", extra_data={"kept": [1, "ü"]})
        async with control_of(manager, simulator.port) as control:
            await control.restart(force=True, requeue="pending")
            with Listener(simulator, "browser") as listener:
                wait_running(simulator, others)
                [item] = ask(simulator, "GET", "/queue").json["queue_running"]
                assert item[3]["kept"] == [1, "ü"]
                assert item[3]["client_id"] == "browser"
                (tmp_path / "gate").touch()
                assert listener.until(is_end)["data"]["prompt_id"] == others


async def test_of_a_silent_one_the_browsers_queue_is_carried_over_as_it_was_last_seen(
    tmp_path: Path, manager: JobManager
) -> None:
    with a_checkout(tmp_path) as simulator:
        async with control_of(manager, simulator.port) as control:
            wedge = submit(simulator, graphs.sleeping(250), client_id="browser")
            theirs = submit(simulator, stuck(), client_id="browser", extra_data={"kept": 1})
            wait_running(simulator, wedge)
            ours = await control.submit(stuck())
            await control.comfyui.status()
            simulator.signal(signal.SIGSTOP)
            outcome = await control.restart(force=True, requeue="pending")
            assert list(outcome.requeued) == [theirs, ours]
            assert outcome.lost == (wedge,)
            assert "last seen" in outcome.detail
            wait_running(simulator, theirs)
            [again, _] = (ask(simulator, "GET", "/queue").json[name] for name in ("queue_running", "queue_pending"))
            assert (again[0][1], again[0][3]["client_id"], again[0][3]["kept"]) == (theirs, "browser", 1)


async def test_where_nobody_has_seen_the_queue_of_a_silent_one_that_is_said(
    tmp_path: Path, manager: JobManager
) -> None:
    with a_checkout(tmp_path) as simulator:
        async with control_of(manager, simulator.port) as control:
            wait_running(simulator, submit(simulator, stuck()))
            simulator.signal(signal.SIGSTOP)
            outcome = await control.restart(force=True, requeue="all")
            assert (outcome.status, outcome.requeued, outcome.lost) == ("restarted", {}, ())
            assert "what else was lost is unknown" in outcome.detail


async def test_of_a_silent_one_the_journal_tells_what_to_submit_again(tmp_path: Path, manager: JobManager) -> None:
    with a_checkout(tmp_path) as simulator:
        async with control_of(manager, simulator.port) as control:
            done = await control.submit(graphs.sleeping(0))
            wait_until(lambda: entry(simulator, done) is not None, "an end")
            assert await control.state_of(done) == "completed"
            wedge = await control.submit(graphs.sleeping(250))
            waiting = [await control.submit(stuck()) for _ in range(2)]
            wait_running(simulator, wedge)
            simulator.signal(signal.SIGSTOP)
            outcome = await control.restart(force=True, requeue="pending")
            assert list(outcome.requeued) == waiting
            assert outcome.lost == (wedge,)
            assert "last seen" in outcome.detail
            assert queued(simulator) == waiting
            assert await control.state_of(done) == "completed"


async def test_what_the_new_server_refuses_is_said_and_the_rest_goes_on(tmp_path: Path, manager: JobManager) -> None:
    with a_checkout(tmp_path) as simulator:
        wait_running(simulator, submit(simulator, stuck()))
        odd = "not-a-uuid"
        async with control_of(manager, simulator.port) as control:
            control.journal.record([_stranger(simulator, odd, number=-1.0)])
            control.journal.want_requeue([odd])
            good = submit(simulator, stuck())
            outcome = await control.restart(force=True, requeue="pending")
            assert list(outcome.requeued) == [good]
            assert "UUID" in outcome.requeue_refused[odd]
            await control.comfyui.status()
            assert queued(simulator) == [good]


def _stranger(simulator: Simulator, prompt_id: str, number: float) -> Submission:
    graph = json.dumps(graphs.sleeping(0))
    return Submission(
        prompt_id=prompt_id, server=simulator.url, submitted_at=1.0, graph=graph, number=number, stage=Stage.ACCEPTED
    )


async def test_when_it_is_not_ready_in_time_prompts_are_submitted_as_soon_as_it_is(
    tmp_path: Path, manager: JobManager
) -> None:
    with a_checkout(tmp_path, "--startup-delay", "2") as simulator:
        wait_running(simulator, submit(simulator, stuck()))
        waiting = submit(simulator, stuck())
        async with control_of(manager, simulator.port) as control:
            outcome = await control.restart(force=True, requeue="pending", wait_s=1.5)
            assert outcome.status == "starting"
            assert outcome.to_requeue == (waiting,)
            assert await control.state_of(waiting) in ("lost_to_restart", "unknown")
            job = await manager.find(outcome.job_id or "")
            await manager.wait(job, WaitRequest(until=Until(Kind.PORT, port=simulator.port), wait_s=WAIT_S))
            await asyncio.gather(*control.lifecycle._later)
            assert queued(simulator) == [waiting]


#: Restarts, and is killed at a point that is named: before or after a function is called.
_DYING = """
import asyncio, os, signal, sys
from mcp_background_job.app import build, build_comfyui
from mcp_background_job.comfyui.lifecycle import carry_over, lifecycle, server_job
from mcp_background_job.comfyui.prompts import submit
from mcp_background_job.config import load_comfyui_settings, load_settings
from mcp_background_job.registry.journal import SqliteJournal

url, place, when, requeue = sys.argv[1:]
holder, name = {
    "wish": (carry_over, "wish"),
    "end": (server_job.ServerJob, "end"),
    "leave": (carry_over, "leave_behind"),
    "launch": (server_job.ServerJob, "launch"),
    "send": (submit.Submitter, "send"),
    "note": (SqliteJournal, "resubmitted"),
}[place]
original = getattr(holder, name)

def die():
    os.kill(os.getpid(), signal.SIGKILL)

async def dying(*arguments, **options):
    if when == "before":
        die()
    await original(*arguments, **options)
    die()

def dying_at_once(*arguments, **options):
    if when == "before":
        die()
    original(*arguments, **options)
    die()

setattr(holder, name, dying if asyncio.iscoroutinefunction(original) else dying_at_once)

async def main():
    manager = build(load_settings())
    await manager.places.start()
    comfyui = build_comfyui(manager, load_comfyui_settings(url=url))
    await comfyui.lifecycle.restart(client="dying", force=True, requeue=requeue, wait_s=50)

asyncio.run(main())
"""


def _die(simulator: Simulator, place: str, when: str, requeue: str) -> None:
    program = simulator.directory / "dying.py"
    program.write_text(_DYING)
    command = NURSERY.command(str(program), simulator.url, place, when, requeue)
    assert subprocess.run(command, timeout=PATIENCE_S, check=False).returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    "moment",
    [
        "before wish",
        "after wish",
        "after end",
        "after leave",
        "after launch",
        "after send",
        "after note",
    ],
)
async def test_whoever_restarts_may_be_killed_and_the_next_status_submits_what_is_owed_once(
    tmp_path: Path, state_dir: str, manager: JobManager, moment: str
) -> None:
    when, place = moment.split()
    with a_checkout(tmp_path) as simulator, watching(simulator.pid) as [old]:
        async with control_of(manager, simulator.port) as control:
            wedge = await control.submit(stuck(), "wedge")
            wait_running(simulator, wedge)
            mine = await control.submit(stuck(), "mine")
            others = submit(simulator, stuck())
            _die(simulator, place, when, "pending")
            was_ended = moment not in ("before wish", "after wish")
            assert old.is_dead() == was_ended
            with another_manager(state_dir) as another:
                async with control_of(another, simulator.port) as later:
                    started = await later.start()
                    assert started.status in ("started", "already_running")
                    await later.comfyui.status()
                    assert queued(simulator) == ([mine, others] if was_ended else [wedge, mine, others])
                    for _ in range(2):  # and no second time, whoever looks
                        await asyncio.gather(later.comfyui.status(), control.comfyui.status())
                    assert queued(simulator) == ([mine, others] if was_ended else [wedge, mine, others])
                    assert await later.state_of(wedge) == ("lost_to_restart" if was_ended else "in_progress")
                    assert await later.state_of(others) == "pending"
                    known = later.journal.get(mine)
                    assert known is not None
                    assert (known.note, known.end, known.requeue) == ("mine", None, False)
                    assert the_listener(simulator.port) == (started.pid if was_ended else simulator.pid)


async def test_of_two_servers_that_find_prompts_owed_one_submits_each(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    with a_checkout(tmp_path) as simulator:
        async with control_of(manager, simulator.port) as first:
            owed = [await first.submit(stuck()) for _ in range(8)]
            _die(simulator, "launch", "after", "all")
            with another_manager(state_dir) as another:
                async with control_of(another, simulator.port) as second:
                    await first.start()
                    await asyncio.gather(*(who.comfyui.status() for who in (first, second) * 3))
                    await first.comfyui.status()
                    assert queued(simulator) == owed


async def test_a_later_restart_that_wishes_for_nothing_takes_the_wish_back(tmp_path: Path, manager: JobManager) -> None:
    with a_checkout(tmp_path) as simulator:
        async with control_of(manager, simulator.port) as control:
            mine = await control.submit(stuck())
            wait_running(simulator, mine)
            _die(simulator, "wish", "after", "all")
            simulator.signal(signal.SIGSTOP)
            outcome = await control.restart(force=True, requeue="none")
            assert outcome.lost == (mine,)
            await control.comfyui.status()
            assert queued(simulator) == []
            assert await control.state_of(mine) == "lost_to_restart"
