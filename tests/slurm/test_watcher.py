"""Slurm is asked seldom, by one for all."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from mcp_background_job.core.states import State
from mcp_background_job.executors.nodes import watcher
from mcp_background_job.executors.nodes.watcher import Line, Watcher
from mcp_background_job.executors.slurm.options import Options
from mcp_background_job.executors.slurm.place import SlurmPlace
from mcp_background_job.executors.slurm.submitting import Site
from mcp_background_job.jobdir.layout import StateDir
from tests.patience import PATIENCE_S
from tests.slurm.conftest import SpecOf
from tests.slurm.fake import FakeSlurm
from tests.slurm.test_submitting import seen


def squeues(slurm: FakeSlurm) -> int:
    return slurm.asked.count("squeue")


async def test_a_thousand_jobs_are_one_question(
    place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm, root: StateDir
) -> None:
    specs = [spec_of() for _ in range(50)]
    for spec in specs:
        await place.launch(spec, wait_for_report=True)
    before = squeues(slurm)
    job_ids = [spec.job_id for spec in specs]
    assert len(place.look(job_ids)) == 50
    assert squeues(slurm) == before + 1
    # Another process of the same user, too, within the time that users' questions are apart.
    other = SlurmPlace(root, slurm, Site(Options(), "python3"), poll_s=60.0)
    for _ in range(20):
        assert {one.state for one in other.look(job_ids).values()} == {State.QUEUED}
        await other.tend()
    assert squeues(slurm) == before + 1
    assert {one.engine_note for one in other.look(job_ids).values()} == {
        "waits in Slurm: other jobs come first (Priority)"
    }


def test_who_waits_asks_later_each_time(slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(watcher.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(watcher.time, "time", lambda: now[0])
    for poll_s, expected in ((15.0, [2, 4, 8, 16, 32, 64, 124, 184]), (120.0, [120, 240, 360, 480])):
        asked: list[float] = []
        one = Watcher(str(tmp_path), slurm, called="squeue", poll_s=poll_s)
        one.hurry()
        start = now[0]
        for _ in range(expected[-1] * 2 + 1):
            before = squeues(slurm)
            one.wait_for_turn()
            if one._asking:
                one._asking.join()
            if squeues(slurm) > before:
                asked.append(now[0] - start)
            now[0] += 0.5
        assert asked == expected


def test_a_look_waits_for_a_silent_slurm_no_longer_than_is_noticed(
    slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_answer = threading.Event()
    monkeypatch.setattr(watcher, "PATIENCE_S", 0.01)

    def answer_late() -> list[Line]:
        may_answer.wait(PATIENCE_S)
        return []

    monkeypatch.setattr(slurm, "queue", answer_late)
    one = Watcher(str(tmp_path), slurm, called="squeue", poll_s=15.0)
    assert one.look().answered_at == 0.0  # it returns although nobody answers
    asking = one._asking
    assert asking is not None
    assert one.ask() is asking
    may_answer.set()
    asking.join()
    assert one.picture.answered_at > 0.0


def test_a_look_that_has_only_a_very_old_answer_waits_until_slurm_counts_as_silent(
    slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "PATIENCE_S", 0.01)
    monkeypatch.setattr(watcher, "_OVERDUE_S", 0.1)
    one = Watcher(str(tmp_path), slurm, called="squeue", poll_s=0.0)
    one.ask().join()
    may_answer = threading.Event()

    def queue() -> list[Line]:
        may_answer.wait(PATIENCE_S)
        return []

    monkeypatch.setattr(slurm, "queue", queue)
    answered_at = one.picture.answered_at
    monkeypatch.setattr(watcher, "_OLD_S", 0.0)
    try:
        assert one.look().answered_at == answered_at
        assert one.stale_since == answered_at
    finally:
        may_answer.set()
    one.ask().join()


def test_who_does_not_answer_for_a_while_is_silent_before_he_is_given_up(
    slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Watcher(str(tmp_path), slurm, called="squeue", poll_s=0.0)
    one.ask().join(PATIENCE_S)
    answered_at = one.picture.answered_at
    answer = threading.Event()

    def queue() -> list[Line]:
        answer.wait(PATIENCE_S)
        return []

    monkeypatch.setattr(slurm, "queue", queue)
    monkeypatch.setattr(watcher, "_OVERDUE_S", 2 * PATIENCE_S)
    asking = one.ask()
    try:
        assert one.stale_since is None
        monkeypatch.setattr(watcher, "_OVERDUE_S", 0.0)
        assert one.stale_since == answered_at
    finally:
        answer.set()
    asking.join(PATIENCE_S)
    assert one.stale_since is None
    assert one.picture.answered_at > answered_at


def test_of_two_processes_one_asks(slurm: FakeSlurm, tmp_path: Path) -> None:
    from mcp_background_job.jobdir import lock  # noqa: PLC0415  beside its only use

    one = Watcher(str(tmp_path), slurm, called="squeue")
    with lock.held(str(tmp_path / "squeue.lock")) as got:
        assert got
        one.ask().join()
        assert squeues(slurm) == 0
    one.ask().join()
    assert squeues(slurm) == 1


async def test_since_when_slurm_says_so_is_known_to_all(
    place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm, root: StateDir
) -> None:
    spec = spec_of()
    await place.launch(spec, wait_for_report=True)
    slurm.say("800", "NODE_FAIL")
    seen(place, spec)
    (first,) = place._watcher.picture.jobs[spec.job_id]
    place._watcher.ask().join()
    other = Watcher(root.path, slurm, called="squeue")
    assert other.picture.jobs[spec.job_id] == [first]
