"""The days of a batch: pauses, failures, time limits, restarts, other people, and machines that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest

from mcp_background_job.core.comfyui.batch import BatchStatus
from mcp_background_job.core.naming import Asker
from mcp_background_job.core.recovery import REBOOT
from mcp_background_job.errors import BackgroundJobError
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import StartRequest
from tests.comfyui.batches.batch_support import House, house, quick, suspended
from tests.comfyui.lifecycle.lifecycle_support import control_of, the_listener
from tests.comfyui.talk import ask, entry, submit
from tests.comfyui_simulator.nodes import graphs
from tests.patience import PATIENCE_S
from tests.survival.support import another_manager, directory_of, kill_and_wait, runner_of

pytestmark = pytest.mark.real_process


def _endings(home: House, batch_id: str) -> Counter[str | None]:
    return Counter(row.ending or row.stage for row in home.rows(batch_id) if row.retried_as is None)


# -- pause, resume, retry ------------------------------------------------------------------------------------------


@pytest.mark.requirement("comfyui.batch.pause")
async def test_a_paused_batch_sends_nothing_until_it_is_resumed(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        batch_id = await home.create(10, graphs.gated(home.gate))
        await home.until_ledger("submitted", 2)
        paused = await home.batches.pause(batch_id)
        assert paused.status is BatchStatus.PAUSED
        home.gate.touch()
        await home.until(batch_id, lambda view: view.counts.succeeded == 2, "what was sent is over")
        await asyncio.sleep(1.5)
        assert home.ledger.total("submitted") == 2
        await home.batches.resume(batch_id)
        assert (await home.over(batch_id)).status is BatchStatus.SUCCEEDED
        assert set(home.ledger.count("began").values()) == {1}


@pytest.mark.requirement("comfyui.batch.pause")
async def test_what_failed_in_a_paused_batch_runs_again_once_it_is_resumed(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        batch_id = await home.create_of([graphs.raising("no such thing"), graphs.gated(home.gate), quick()])
        await home.until(batch_id, lambda view: view.counts.failed == 1, "the first has failed")
        await home.batches.pause(batch_id)
        retried = await home.batches.retry_failed(batch_id)
        assert (retried.status, retried.detail) == (
            BatchStatus.PAUSED,
            "1 failed prompts run again, once it is resumed",
        )
        home.gate.touch()
        await home.batches.resume(batch_id)
        assert (await home.over(batch_id)).counts.failed == 1


@pytest.mark.requirement("comfyui.batch.pause")
async def test_whoever_kills_the_feeder_pauses_the_batch_and_resume_goes_on(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager, anew=True) as home:
        batch_id = await home.create(10, graphs.gated(home.gate))
        await home.until_ledger("submitted", 2)
        feeder = await home.feeder()
        assert (await manager.kill(feeder.job_id, by="somebody")).status == "killed"
        home.gate.touch()
        view = await home.batches.view(batch_id)
        assert view.status is BatchStatus.PAUSED
        assert "was killed; resume goes on" in view.trouble
        async with asyncio.timeout(PATIENCE_S):
            await home.batches.wait(batch_id, 2 * PATIENCE_S)  # there is nothing to wait for
        assert (await home.feeder()).status == "killed"
        await home.batches.resume(batch_id)
        assert (await home.over(batch_id)).counts.succeeded == 10
        assert set(home.ledger.count("began").values()) == {1}


@pytest.mark.requirement("comfyui.batch.retry")
async def test_failed_and_refused_prompts_run_again_under_new_ids_and_no_others(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        batch_id = await home.create_of(
            [quick(), graphs.raising("deliberate"), graphs.load_checkpoint("missing.safetensors"), quick()]
        )
        view = await home.over(batch_id)
        assert view.status is BatchStatus.FAILED
        assert (view.counts.succeeded, view.counts.failed) == (2, 2)
        causes = " ".join(one.reason for one in view.failures)
        assert "deliberate" in causes
        assert "node 1 SimLoadCheckpoint" in causes
        assert "missing.safetensors" in causes
        before = {row.prompt_id for row in home.rows(batch_id)}
        first = home.ledger.total("submitted")

        retried = await home.batches.retry_failed(batch_id)  # while the feeder is about to end
        assert retried.detail == "2 failed prompts run again"
        view = await home.over(batch_id)
        assert (view.status, view.counts.total, view.counts.failed) == (BatchStatus.FAILED, 4, 2)
        new = {row.prompt_id for row in home.rows(batch_id)} - before
        assert len(new) == 2
        assert home.ledger.total("submitted") == first + 1, "one of them is refused again"
        assert set(home.ledger.count("submitted").values()) == {1}


# -- time limits ---------------------------------------------------------------------------------------------------


@pytest.mark.requirement("comfyui.batch.time_limit")
@pytest.mark.parametrize("version", ["new", pytest.param("old", marks=pytest.mark.nightly)])
async def test_what_runs_too_long_is_stopped_and_has_failed_and_the_rest_runs(
    version: str, tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager, "--version", version) as home:
        batch_id = await home.create_of([quick(), graphs.stepped(1000, 0.05), quick()], prompt_timeout_s=1.0)
        view = await home.over(batch_id)
        assert (view.status, view.counts.succeeded, view.counts.failed) == (BatchStatus.FAILED, 2, 1)
        assert [one.reason for one in view.failures] == ["stopped at its time limit of 1 s"]


@pytest.mark.requirement("comfyui.batch.time_limit")
@pytest.mark.parametrize(
    "wedge", ["interpreter", pytest.param("step", marks=[pytest.mark.nightly, pytest.mark.timeout(240)])]
)
async def test_a_comfyui_that_nothing_else_helps_is_restarted_outside_of_the_feeders_job_and_the_batch_goes_on(
    wedge: str, tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    stuck = graphs.gil_hold(200) if wedge == "interpreter" else graphs.sleeping(200)
    async with house(tmp_path, state_dir, manager, anew=True) as home:
        batch_id = await home.create_of([quick(), stuck, quick(), quick()], prompt_timeout_s=1.0, may_restart=True)
        first = await home.feeder()
        view = await home.over(batch_id, 120)
        assert (view.counts.succeeded, view.counts.failed) == (3, 1)
        assert [one.reason for one in view.failures] == ["stopped at its time limit of 1 s"]
        pid = the_listener(home.place.port)
        assert pid != home.place.simulator.pid
        await home.feeder_gone()
        assert (await home.feeder()).job_id != first.job_id
        # Nothing of it hangs on the jobs that have ended.
        assert psutil.Process(pid).is_running()
        job = await manager.find(f"comfyui-{home.place.port}", Asker(""))
        assert job.status == "running"
        assert set(home.ledger.count("ended").values()) == {1}
        await home.control.stop(force=True)


@pytest.mark.nightly
@pytest.mark.requirement("comfyui.batch.time_limit")
async def test_without_leave_to_restart_the_batch_says_what_helps_and_waits(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager, anew=True) as home:
        batch_id = await home.create_of([graphs.sys_exit(), quick(), quick()], prompt_timeout_s=1.0)
        view = await home.until(batch_id, lambda view: bool(view.trouble), "it says what is wrong", 60)
        assert "restart_comfyui(force=true) ends it, and the batch goes on" in view.trouble
        sent = home.ledger.total("submitted")
        assert sent <= 2
        outcome = await home.control.restart(force=True)
        assert outcome.status == "restarted"
        view = await home.over(batch_id, 60)
        assert (view.counts.succeeded, view.counts.failed, view.trouble) == (2, 1, "")
        await home.control.stop(force=True)


# -- the machine, and ComfyUI --------------------------------------------------------------------------------------


def _move_to_another_boot(state_dir: str, job_id: str) -> None:
    path = Path(directory_of(state_dir, job_id).status)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"boot_id": "of-another-boot"}))


@pytest.mark.requirement("comfyui.batch.survives")
async def test_a_batch_goes_on_after_a_reboot(tmp_path: Path, state_dir: str, manager: JobManager) -> None:
    async with house(tmp_path, state_dir, manager, anew=True) as home:
        batch_id = await home.create(10, graphs.gated(home.gate))
        await home.until_ledger("submitted", 2)
        job = await home.feeder()
        pid = await home.feeder_pid()
        with suspended(runner_of(state_dir, job.job_id)):
            kill_and_wait(pid)
            kill_and_wait(runner_of(state_dir, job.job_id))
        _move_to_another_boot(state_dir, job.job_id)
        home.gate.touch()
        view = await home.over(batch_id)
        assert view.counts.succeeded == 10
        assert set(home.ledger.count("began").values()) == {1}
        assert ((await manager.find(job.job_id)).status, (await manager.find(job.job_id)).reason) == ("lost", REBOOT)


@pytest.mark.requirement("comfyui.batch.survives")
async def test_a_comfyui_that_is_away_is_asked_again_after_five_seconds(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        await asyncio.to_thread(home.place.kill)
        began = time.monotonic()
        batch_id = await home.create(5)
        view = await home.until(batch_id, lambda view: bool(view.trouble), "the trouble is told")
        assert "nothing listens" in view.trouble
        assert "asked again in 5 s" in view.trouble
        await asyncio.to_thread(home.place.start)
        view = await home.over(batch_id)
        assert time.monotonic() - began > 5.0
        assert (view.counts.succeeded, view.trouble) == (5, "")


@pytest.mark.requirement("comfyui.batch.others")
async def test_others_get_their_turn_and_are_not_touched(tmp_path: Path, state_dir: str, manager: JobManager) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        batch_id = await home.create(10, graphs.gated(home.gate))
        await home.until_ledger("submitted", 2)
        theirs = [submit(home.place.simulator, quick()) for _ in range(3)]
        home.gate.touch()
        await home.over(batch_id)
        order = [prompt_id for event, prompt_id in home.ledger.events() if event == "ended"]
        assert [order.index(one) for one in theirs] == [2, 3, 4], "they waited for what was there before them"
        assert all(entry(home.place.simulator, one)["status"]["status_str"] == "success" for one in theirs)
        mine = [row.prompt_id for row in home.rows(batch_id)]
        assert home.ledger.most_at_once(mine) == 2


@pytest.mark.requirement("comfyui.batch.others")
async def test_a_batch_that_waits_behind_others_is_pending(tmp_path: Path, state_dir: str, manager: JobManager) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        theirs = submit(home.place.simulator, graphs.gated(home.gate))
        batch_id = await home.create(3)
        await home.until_ledger("submitted", 3)
        # One look at the queue may find a busy server silent.
        view = await home.until(batch_id, lambda view: view.status is BatchStatus.PENDING, "it is pending")
        assert (view.counts.pending, view.counts.running) == (3, 0)
        await home.control.comfyui.canceller.cancel(theirs)
        assert (await home.over(batch_id)).status is BatchStatus.SUCCEEDED


@pytest.mark.requirement("comfyui.batch.others")
async def test_what_somebody_takes_out_of_the_queue_is_canceled_and_not_sent_again(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        batch_id = await home.create(4, graphs.gated(home.gate))
        await home.until_ledger("began", 1)
        await home.until_ledger("submitted", 2)
        second = home.rows(batch_id)[1].prompt_id
        ask(home.place.simulator, "POST", "/queue", {"delete": [second]})
        home.gate.touch()
        view = await home.over(batch_id)
        assert (view.status, view.counts.succeeded, view.counts.canceled) == (BatchStatus.CANCELED, 3, 1)
        assert "somebody took it out of the queue" in home.rows(batch_id)[1].reason
        assert second not in home.ledger.count("began")


@pytest.mark.requirement("comfyui.batch.others")
async def test_whoever_clears_the_history_makes_nothing_run_again(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        batch_id = await home.create(12, quick(0.02))
        while home.ledger.total("ended") < 12:
            await asyncio.to_thread(ask, home.place.simulator, "POST", "/history", {"clear": True})
            await asyncio.sleep(0.01)
        view = await home.over(batch_id)
        assert view.counts.total == view.counts.ended == 12
        assert set(home.ledger.count("began").values()) == {1}
        assert {row.ending for row in home.rows(batch_id)} <= {"completed", "failed"}, _endings(home, batch_id)


async def _with_two_sent(home: House, gate: Path) -> str:
    """Make a batch of six, of which two are over and two are sent and stay there until the gate is opened."""
    batch_id = await home.create_of([quick()] * 2 + [graphs.gated(gate)] * 4)
    await home.until_ledger("began", 3)
    await home.until_ledger("submitted", 4)
    return batch_id


@pytest.mark.requirement("comfyui.batch.survives")
@pytest.mark.parametrize(
    "requeue", ["all", *(pytest.param(other, marks=pytest.mark.nightly) for other in ("none", "pending"))]
)
async def test_a_restart_of_comfyui_loses_nothing_of_a_batch(
    requeue: str, tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager, anew=True) as home:
        batch_id = await _with_two_sent(home, tmp_path / "gate")
        assert "of batches" in await home.control.refusal(home.control.restart())
        outcome = await home.control.restart(force=True, requeue=requeue)
        home.ledger.note_death()
        (tmp_path / "gate").touch()
        assert outcome.status == "restarted"
        assert len(outcome.of_batches) == 2
        assert outcome.lost == ()
        view = await home.over(batch_id)
        assert view.counts.succeeded == 6
        assert max(home.ledger.count("submitted").values()) == 2
        assert sum(count > 1 for count in home.ledger.count("submitted").values()) <= 2
        assert set(home.ledger.count("ended").values()) == {1}
        await home.control.stop(force=True)


@pytest.mark.nightly
@pytest.mark.requirement("comfyui.batch.survives")
async def test_a_stopped_comfyui_loses_nothing_of_a_batch(tmp_path: Path, state_dir: str, manager: JobManager) -> None:
    async with house(tmp_path, state_dir, manager, anew=True) as home:
        batch_id = await _with_two_sent(home, tmp_path / "gate")
        stopped = await home.control.stop(force=True)
        (tmp_path / "gate").touch()
        assert len(stopped.of_batches) == 2
        await home.until(batch_id, lambda view: "nothing listens" in view.trouble, "the trouble is told")
        assert (await home.control.start()).status == "started"
        view = await home.over(batch_id)
        assert view.counts.succeeded == 6
        assert set(home.ledger.count("ended").values()) == {1}
        await home.control.stop(force=True)


# -- several of a kind ---------------------------------------------------------------------------------------------


@pytest.mark.requirement("comfyui.batch.once")
async def test_two_batches_at_once_share_the_server(tmp_path: Path, state_dir: str, manager: JobManager) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        batches = [await home.create(30, quick(0.02)), await home.create(30, quick(0.02), max_queued=1)]
        all_ids = [row.prompt_id for batch_id in batches for row in home.rows(batch_id)]
        for batch_id, most in zip(batches, (2, 1), strict=True):
            assert (await home.over(batch_id)).counts.succeeded == 30
            assert home.ledger.most_at_once(row.prompt_id for row in home.rows(batch_id)) <= most
        assert set(home.ledger.count("submitted").values()) == {1}
        assert home.ledger.most_at_once(all_ids) <= 2, "a second batch is no leave to fill the queue"


def _feeder_by_hand(home: House) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "mcp_background_job", "comfyui", "feed"]
    return subprocess.Popen(
        command, env={**os.environ, "COMFYUI_URL": home.place.simulator.url}, stdout=subprocess.PIPE
    )


@pytest.mark.requirement("comfyui.batch.once")
async def test_of_two_feeders_that_are_started_by_hand_one_works_and_the_other_takes_over(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager, anew=True) as home:
        batch_id = await home.create(10, graphs.gated(tmp_path / "gate"))
        await home.until_ledger("submitted", 1)
        others = [_feeder_by_hand(home) for _ in range(2)]
        try:
            for other in others:
                assert other.stdout
                assert b"another feeder feeds" in await asyncio.to_thread(other.stdout.readline)
            os.kill(await home.feeder_pid(), signal.SIGKILL)
            (tmp_path / "gate").touch()
            said = [(await asyncio.to_thread(other.communicate, timeout=PATIENCE_S))[0].decode() for other in others]
        finally:
            for other in others:
                other.kill()
                other.communicate()
        assert (await home.over(batch_id)).counts.succeeded == 10
        assert set(home.ledger.count("submitted").values()) == {1}
        assert sorted(f"batch {batch_id} succeeded" in text for text in said) == [False, True]


async def test_batches_are_worked_on_although_all_places_of_jobs_are_taken(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        with another_manager(state_dir, max_jobs=1) as narrow:
            async with control_of(narrow, home.place.port) as control:
                one = House(control, home.place, state_dir)
                taken = (await narrow.start(StartRequest(command="exec sleep 300"))).job
                batches = [await one.create(3) for _ in range(2)]
                for batch in batches:
                    assert (await one.over(batch)).counts.succeeded == 3
                assert (await narrow.find(taken.job_id)).status == "running"
                await narrow.kill(taken.job_id, by="test", grace_s=0)


async def test_a_look_that_took_a_batch_for_open_starts_no_feeder_if_it_is_over_by_then(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        await home.over(await home.create())
        await home.feeder_gone()
        last = await home.feeder()
        assert (await home.batches.feeders.ensure(home.place.simulator.url)) == last
        assert (await home.feeder()).job_id == last.job_id


# -- the disk ------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _locked(state_dir: str) -> Generator[None]:
    """Hold the journal as a backup does that reads it with a lock."""
    with contextlib.closing(sqlite3.connect(StateDir(state_dir).comfyui_journal, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        yield
        db.execute("ROLLBACK")


@pytest.mark.requirement("comfyui.batch.survives")
@pytest.mark.parametrize("seconds", [2, pytest.param(14, marks=pytest.mark.nightly)])
async def test_a_journal_that_is_locked_for_a_while_costs_time_only(
    seconds: float, tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        batch_id = await home.create(30, quick(0.02))
        job = await home.feeder()
        await home.until_ledger("submitted", 5)
        with _locked(state_dir):
            await asyncio.sleep(seconds)
        view = await home.over(batch_id)
        assert view.counts.succeeded == 30
        assert set(home.ledger.count("began").values()) == {1}
        assert (await home.feeder()).job_id == job.job_id


@pytest.fixture
def small_disk(state_dir: str) -> Generator[str]:
    """A state directory on a disk of 4 MB."""
    os.makedirs(state_dir)
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", state_dir], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield state_dir
    finally:
        subprocess.run(["/bin/umount", "-l", state_dir], check=True)


@pytest.mark.requirement("comfyui.batch.once")
@pytest.mark.parametrize(
    "leave", [0, 16_384, *(pytest.param(size, marks=pytest.mark.nightly) for size in range(4096, 131_072, 4096))]
)
async def test_a_batch_that_the_disk_has_no_room_for_is_refused_and_does_not_run_later(
    leave: int, small_disk: str, tmp_path: Path
) -> None:
    with another_manager(small_disk) as manager:
        async with house(tmp_path, small_disk, manager) as home:
            await home.over(await home.create(2))
            ballast = Path(small_disk) / "ballast"
            with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(bytes(4096))
            os.truncate(ballast, ballast.stat().st_size - leave)
            try:
                created = await home.create_of([graphs.output("x" * 6000), quick()])
            except BackgroundJobError:
                created = None
            await asyncio.to_thread(ballast.unlink)
            if created:
                assert (await home.over(created)).counts.succeeded == 2
                return
            await home.batches.ensure_all()
            await asyncio.sleep(1.0)  # a feeder has sent its first prompt by then
            assert home.ledger.total("submitted") == 2
            assert {view.status for view in await home.batches.views(limit=5)} <= {"succeeded", "canceled", "paused"}
            await home.over(await home.create(2))
