"""What is true of a job whose runner is on another machine: never a false end."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mcp_background_job.core.states import Outcome, State
from mcp_background_job.executors import filesystem
from mcp_background_job.executors.nodes import native
from mcp_background_job.executors.slurm import seeing
from mcp_background_job.executors.slurm.place import SlurmPlace
from mcp_background_job.jobdir.records import Exit
from tests.slurm.conftest import SpecOf
from tests.slurm.fake import FakeSlurm, ended, put, runs
from tests.slurm.test_submitting import seen, tended


@pytest.mark.parametrize(
    ("word", "outcome"),
    [("TIMEOUT", Outcome.TIMED_OUT), ("NODE_FAIL", Outcome.LOST), ("CANCELLED", Outcome.KILLED)],
)
@pytest.mark.usefixtures("impatient")
async def test_slurms_word_ends_a_job_whose_runner_said_nothing(
    place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm, word: str, outcome: Outcome
) -> None:
    spec = spec_of()
    await place.launch(spec, wait_for_report=True)
    runs(place.store.job(spec.job_id), "800")
    assert seen(place, spec).state is State.RUNNING
    slurm.say("800", word, "n1")
    end = seen(place, spec)
    assert (end.state, end.outcome, end.sweep) == (State.EXITED, outcome, True)
    await place.care(spec.job_id)
    recorded = seen(place, spec)
    assert (recorded.outcome, recorded.sweep) == (outcome, False)
    assert recorded.exit is not None
    assert "Slurm job 800 on n1" in recorded.exit.reason
    assert place.store.open_jobs() == []


@pytest.mark.usefixtures("impatient")
async def test_whoever_tends_the_place_records_ends_that_nobody_looks_at(
    place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm
) -> None:
    specs = [spec_of() for _ in range(3)]
    for spec in specs:
        await place.launch(spec, wait_for_report=True)
    slurm.say("801", "NODE_FAIL")
    await tended(place)
    assert sorted(place.store.open_jobs()) == [specs[0].job_id, specs[2].job_id]


async def test_slurms_word_is_not_believed_at_once(place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm) -> None:
    spec = spec_of()
    await place.launch(spec, wait_for_report=True)
    runs(place.store.job(spec.job_id), "800")
    slurm.say("800", "COMPLETED")
    assert seen(place, spec).state is State.RUNNING
    ended(place.store.job(spec.job_id), exit_code=0)
    assert seen(place, spec).outcome is Outcome.COMPLETED


@pytest.mark.usefixtures("impatient")
async def test_the_runners_word_replaces_ours_and_ours_never_that(
    place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm
) -> None:
    spec = spec_of()
    await place.launch(spec, wait_for_report=True)
    runs(place.store.job(spec.job_id), "800")
    slurm.say("800", "NODE_FAIL")
    await place.care(spec.job_id)
    assert seen(place, spec).outcome is Outcome.LOST
    job = place.store.job(spec.job_id)
    ended(job)
    await place.care(spec.job_id)
    assert seen(place, spec).outcome is Outcome.COMPLETED
    assert sorted(name for name in os.listdir(job.path) if name.startswith("exit")) == ["exit.json"]


@pytest.mark.usefixtures("impatient")
async def test_a_controller_that_is_silent_ends_nothing_and_is_said_to_be_silent(
    place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm
) -> None:
    spec = spec_of()
    await place.launch(spec, wait_for_report=True)
    runs(place.store.job(spec.job_id), "800")
    assert seen(place, spec).stale_since is None
    slurm.is_silent = True
    now = seen(place, spec)
    assert (now.state, now.stale_since is None) == (State.RUNNING, False)
    slurm.is_silent = False
    seen(place, spec)  # which asks, and does not wait for whom it knows to be silent
    place._watcher.ask().join()
    assert seen(place, spec).stale_since is None


async def test_a_controller_that_has_lost_its_memory_ends_no_job_that_lives(
    place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("submitting", "seeing"):
        monkeypatch.setattr(f"mcp_background_job.executors.slurm.{name}.REPEAT_AFTER_S", -1.0)
    spec = spec_of()
    await place.launch(spec, wait_for_report=True)
    runs(place.store.job(spec.job_id), "800")
    slurm.jobs.clear()
    assert seen(place, spec).state is State.RUNNING
    monkeypatch.setattr(seeing, "_SIGN_OF_LIFE_S", -1.0)
    assert seen(place, spec).outcome is Outcome.LOST


@pytest.mark.usefixtures("impatient")
async def test_a_stranger_under_our_id_says_nothing_of_our_job(
    place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm
) -> None:
    spec = spec_of()
    await place.launch(spec, wait_for_report=True)
    slurm.jobs["800"] = slurm.jobs["800"]._replace(job_id="", state="RUNNING")
    assert seen(place, spec).outcome is Outcome.LOST


@pytest.mark.usefixtures("impatient")
async def test_another_cluster_says_nothing_of_our_jobs(place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm) -> None:
    spec = spec_of()
    await place.launch(spec, wait_for_report=True)
    job = place.store.job(spec.job_id)
    native.write(job, native.Native(1.0, "800", cluster="/etc/another.conf"))
    place._seeing._noted.clear()
    slurm.jobs.clear()
    assert seen(place, spec).state is State.QUEUED


async def test_a_runners_last_words_count_before_its_record_shows(place: SlurmPlace, spec_of: SpecOf) -> None:
    spec = spec_of()
    await place.launch(spec, wait_for_report=True)
    runs(place.store.job(spec.job_id), "800")
    place._seeing.end_was_told(spec.job_id, Exit(outcome="failed", ended_at=2.0, exit_code=3))
    end = seen(place, spec)
    assert (end.state, end.outcome, end.exit and end.exit.exit_code) == (State.EXITED, Outcome.FAILED, 3)


@pytest.mark.usefixtures("impatient")
async def test_a_job_that_failed_before_its_runner_tells_the_cure(
    place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm
) -> None:
    for log, words in (
        (None, "set MCP_BG_SLURM_DIR"),
        ("mcp-background-job: node n1 has no python9: set MCP_BG_SLURM_PYTHON", "node n1 has no python9: set"),
        ("slurmstepd: error: no room\n", "its log says: slurmstepd: error: no room"),
    ):
        spec = spec_of()
        await place.launch(spec, wait_for_report=True)
        native_id = str(799 + len(slurm.submissions))
        slurm.say(native_id, "FAILED", "n1")
        if log is not None:
            put(f"{place.store.job(spec.job_id).path}/engine.log", log.encode())
        end = seen(place, spec).exit
        assert end is not None
        assert (end.outcome, words in end.reason) == (Outcome.FAILED, True), end.reason


@pytest.mark.usefixtures("impatient")
async def test_what_changes_in_slurm_alone_shows_as_a_change(
    place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm
) -> None:
    spec = spec_of()
    await place.launch(spec, wait_for_report=True)
    seen(place, spec)
    before = place.store.changed_at(spec.job_id)
    slurm.say("800", "NODE_FAIL")
    place._watcher.ask().join()
    assert place.store.changed_at(spec.job_id) != before


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"native_id": 3, "asked_at": "x"}', b"\xff"])
@pytest.mark.usefixtures("impatient")
async def test_notes_that_cannot_be_read_end_nothing(place: SlurmPlace, spec_of: SpecOf, text: bytes) -> None:
    spec = spec_of()
    await place.launch(spec, wait_for_report=True)
    job = place.store.job(spec.job_id)
    for path in (native.native_path(job), job.claim, f"{place.store.state.path}/squeue.json"):
        put(path, text)
    assert seen(place, spec).state in (State.STARTING, State.RUNNING)


def test_the_kind_of_a_file_system_is_found(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    real = os.path.realpath(tmp_path)
    blank = real.replace(" ", "\\040")
    mounts.write_text(
        f"1 0 8:1 / / rw - ext4 /dev/sda rw\n2 1 0:40 / {blank}/home rw shared:1 - nfs4 server:/home rw\n"
        f"3 1 0:41 / {blank}/fuse\\040dir rw - fuse.sshfs x rw\n"
    )
    for path, kind, shared in (
        ("/", "ext4", False),
        (f"{real}/home/me/state", "nfs4", True),
        (f"{real}/homeless", "ext4", False),
        (f"{real}/fuse dir/x", "fuse.sshfs", True),
    ):
        assert filesystem.kind_of(path, str(mounts)) == kind
        assert filesystem.is_shared(kind) is shared
    assert filesystem.kind_of("/", str(tmp_path / "none")) == ""


async def test_a_withdrawal_that_was_interrupted_is_brought_to_its_end(
    place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm
) -> None:
    spec = spec_of()
    await place.launch(spec, wait_for_report=True)
    request = {"at": 1.0, "by": "me", "why": "enough", "signal": "SIGTERM", "grace_s": 1.0}
    put(place.store.job(spec.job_id).claim, json.dumps({"withdrawn": request}).encode())
    assert (seen(place, spec).outcome, seen(place, spec).sweep) == (Outcome.KILLED, True)
    await place.care(spec.job_id)
    await tended(place)
    assert seen(place, spec).sweep is False
    assert slurm.jobs["800"].state == "CANCELLED"
