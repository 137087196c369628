"""Each job is submitted so that it runs once."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.core.states import Outcome, State
from mcp_background_job.errors import EngineUnreachableError, InvalidRequestError, LaunchError, TooManyDescendantsError
from mcp_background_job.executors.local.place import LocalPlace
from mcp_background_job.executors.nodes import native
from mcp_background_job.executors.slurm.options import Options
from mcp_background_job.executors.slurm.place import SlurmPlace
from mcp_background_job.executors.slurm.submitting import Site
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobdir.records import Spec
from tests.patience import until
from tests.slurm.conftest import SpecOf
from tests.slurm.fake import FakeSlurm, claimed, ended


def seen(place: SlurmPlace, spec: Spec) -> Observation:
    return place.look([spec.job_id])[spec.job_id]


async def tended(place: SlurmPlace) -> None:
    """Do what whoever waits for a job has done often enough."""
    place._watcher.ask().join()
    for _ in range(2):
        await place.tend()
        await place.finish()


async def test_a_job_waits_in_slurm_and_says_why(place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm) -> None:
    spec = spec_of(on="slurm gpus=2 time=1h", name="train")
    submitted = await place.launch(spec, wait_for_report=True)
    assert submitted.queued
    (told,) = slurm.submissions
    assert {f"--comment=mbj:{spec.job_id}", "--job-name=train", "--no-requeue", "--gres=gpu:2"} <= set(told)
    now = seen(place, spec)
    assert (now.state, now.engine) == (State.QUEUED, "Slurm 800, 2 GPUs")
    assert now.engine_note == "waits in Slurm: other jobs come first (Priority)"
    assert place.store.waiting() == {spec.job_id}
    assert place.store.to_be_submitted() == []


async def test_a_job_is_removed_although_its_node_writes_a_last_file_meanwhile(
    place: SlurmPlace, spec_of: SpecOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of()
    await place.launch(spec, wait_for_report=True)
    job = place.store.job(spec.job_id)
    ended(job)
    remove = shutil.rmtree

    def remove_before_a_last_file(path: str, **options: Any) -> None:
        remove(path, **options)
        monkeypatch.setattr(shutil, "rmtree", remove)
        Path(path).mkdir()
        (Path(path) / "ends_at").touch()

    monkeypatch.setattr(shutil, "rmtree", remove_before_a_last_file)
    assert place.store.remove(spec.job_id)
    assert not place.store.has(spec.job_id)


async def test_a_job_that_runs_is_said_to_run_where_it_does(
    place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm
) -> None:
    spec = spec_of()
    await place.launch(spec, wait_for_report=True)
    slurm.say("800", "RUNNING", "n7")
    assert (seen(place, spec).state, seen(place, spec).engine) == (State.STARTING, "Slurm 800 on n7")
    claimed(place.store.job(spec.job_id), "800", "n7")
    assert place.has_runner(spec.job_id)
    assert place.store.waiting() == set()
    ended(place.store.job(spec.job_id))
    assert (seen(place, spec).outcome, seen(place, spec).engine) == (Outcome.COMPLETED, "Slurm 800 on n7")


async def test_a_launch_of_the_same_id_submits_nothing(place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm) -> None:
    spec = spec_of()
    for _ in range(3):
        await place.launch(spec, wait_for_report=True)
    assert len(slurm.submissions) == 1


async def test_what_slurm_refuses_is_recorded_with_its_words(
    place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm
) -> None:
    slurm.refuses = "Invalid partition name specified"
    spec = spec_of(on="slurm partition=nope")
    with pytest.raises(LaunchError, match="Invalid partition"):
        await place.launch(spec, wait_for_report=True)
    end = seen(place, spec).exit
    assert end is not None
    assert (end.outcome, end.started_at) == (Outcome.FAILED, None)
    assert "Invalid partition" in end.reason
    assert place.store.open_jobs() == place.store.to_be_submitted() == []


@pytest.mark.usefixtures("impatient")
async def test_a_silent_slurm_takes_no_job_and_none_comes_later(
    place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm
) -> None:
    slurm.is_silent = True
    spec = spec_of()
    with pytest.raises(EngineUnreachableError):
        await place.launch(spec, wait_for_report=True)
    slurm.is_silent = False
    await tended(place)
    assert seen(place, spec).outcome is Outcome.FAILED
    assert slurm.submissions == []


async def test_what_cannot_be_asked_for_is_refused_before_anything_is_written(
    place: SlurmPlace, slurm: FakeSlurm
) -> None:
    with pytest.raises(InvalidRequestError):
        place.check("nodes=2")
    assert slurm.asked == []


async def test_a_lost_answer_is_found_by_the_comment(place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm) -> None:
    slurm.loses_answers = True
    spec = spec_of()
    assert (await place.launch(spec, wait_for_report=True)).queued
    assert place.store.to_be_submitted() == [spec.job_id]
    await tended(place)
    assert place.store.to_be_submitted() == []
    noted = native.read(place.store.job(spec.job_id))
    assert noted is not None
    assert noted.native_id == "800"
    assert len(slurm.submissions) == 1


@pytest.mark.parametrize("has_note", [True, False], ids=["noted", "only the spec"])
async def test_a_submission_that_never_came_is_repeated_once_slurm_has_been_asked_long_enough_after(
    place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch, *, has_note: bool
) -> None:
    spec = spec_of()
    place.store.record(spec)  # as one leaves it who is killed before sbatch was run
    if has_note:
        native.write(place.store.job(spec.job_id), native.Native(spec.created_at))
    await tended(place)
    assert slurm.submissions == []
    note = seen(place, spec).engine_note
    assert note is not None
    assert "has not confirmed" in note
    for name in ("submitting", "seeing"):
        monkeypatch.setattr(f"mcp_background_job.executors.slurm.{name}.REPEAT_AFTER_S", -1.0)
    await tended(place)
    assert len(slurm.submissions) == 1
    assert seen(place, spec).engine == "Slurm 800"
    await tended(place)
    assert len(slurm.submissions) == 1


@pytest.mark.usefixtures("impatient")
async def test_a_submission_is_not_repeated_while_slurm_is_silent(
    place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm
) -> None:
    spec = spec_of()
    place.store.record(spec)
    slurm.is_silent = True
    await tended(place)
    assert slurm.submissions == []
    assert seen(place, spec).state is State.QUEUED


@pytest.mark.usefixtures("impatient")
async def test_a_submission_is_not_repeated_if_a_runner_has_the_job(
    place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm
) -> None:
    spec = spec_of()
    place.store.record(spec)
    claimed(place.store.job(spec.job_id), "801")
    await tended(place)
    assert slurm.submissions == []
    assert place.store.to_be_submitted() == []


async def test_a_job_runs_behind_others_that_slurm_has(place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm) -> None:
    first, second = spec_of(), spec_of()
    for spec in (first, second):
        await place.launch(spec, wait_for_report=True)
    ended(place.store.job(first.job_id))
    await place.launch(spec_of(after=[first.job_id, second.job_id]), wait_for_report=True)
    assert {"--dependency=afterok:801", "--kill-on-invalid-dep=yes"} <= set(slurm.submissions[-1])


async def test_a_job_does_not_run_behind_one_that_failed(place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm) -> None:
    first = spec_of()
    await place.launch(first, wait_for_report=True)
    ended(place.store.job(first.job_id), "failed", exit_code=7)
    second = spec_of(after=[first.job_id])
    with pytest.raises(LaunchError, match=f"job {first.job_id}, which it was to run after, ended as failed"):
        await place.launch(second, wait_for_report=True)
    assert len(slurm.submissions) == 1
    assert seen(place, second).outcome is Outcome.FAILED


@pytest.mark.usefixtures("impatient")
async def test_what_slurm_cancels_because_another_failed_has_failed(
    place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm
) -> None:
    first = spec_of()
    await place.launch(first, wait_for_report=True)
    second = spec_of(after=[first.job_id])
    await place.launch(second, wait_for_report=True)
    ended(place.store.job(first.job_id), "killed")
    slurm.say("801", "CANCELLED", reason="DependencyNeverSatisfied")
    end = seen(place, second)
    assert end.outcome is Outcome.FAILED
    assert end.exit is not None
    assert first.job_id in end.exit.reason


async def test_a_caller_that_is_gone_leaves_a_whole_submission(
    place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm
) -> None:
    spec = spec_of()
    assert (await place.launch(spec, wait_for_report=False)).queued

    async def is_there() -> bool:
        return bool(slurm.submissions)

    await until(is_there, "it is submitted")


def _run(script: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["/bin/sh"], input=script, env=environment, capture_output=True, text=True, check=False)


async def test_the_script_says_what_is_missing_on_a_node(
    place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm, tmp_path: Path
) -> None:
    spec = spec_of(name="it's a job")
    await place.launch(spec, wait_for_report=True)
    (script,) = slurm.scripts
    environment = {"PATH": "/usr/bin:/bin", "SLURM_JOB_ID": "800", "SLURMD_NODENAME": "n9"}
    for broken, cure in (
        (
            script.replace("exec python3", "exec nopython").replace("command -v python3", "command -v nopython"),
            "PYTHON",
        ),
        (script.replace(place.store.state.path, str(tmp_path / "elsewhere")), "MCP_BG_SLURM_DIR"),
    ):
        ran = await asyncio.to_thread(_run, broken, environment)
        assert ran.returncode in (126, 127)
        assert ran.stderr.startswith("mcp-background-job: ")
        assert "n9" in ran.stderr
        assert cure in ran.stderr


async def test_one_too_many_within_a_job_of_this_machine_is_refused_and_nothing_is_submitted(
    slurm: FakeSlurm, root: StateDir, tmp_path: Path, spec_of: SpecOf
) -> None:
    home = StateDir(str(tmp_path / "home"))
    LocalPlace(home).store.prepare()
    parent = dataclasses.replace(spec_of(), job_id="jparent", on="")
    LocalPlace(home).store.record(parent)
    place = SlurmPlace(root, slurm, Site(Options(), "python3"), family=(home, root))
    within: dict[str, Any] = {"parent": "jparent", "ancestors": ["jparent"], "max_descendants": 2, "max_depth": 1}
    for _ in range(2):
        await place.launch(spec_of(**within), wait_for_report=True)
    third = spec_of(**within)
    with pytest.raises(TooManyDescendantsError, match="job jparent has 2 descendants that have not ended, and 2 is"):
        await place.launch(third, wait_for_report=True)
    deep = spec_of(**within | {"ancestors": [place.store.open_jobs()[0], "jparent"], "max_descendants": 9})
    with pytest.raises(TooManyDescendantsError, match="2 levels below job jparent, and 1 is the limit"):
        await place.launch(deep, wait_for_report=True)
    assert len(slurm.submissions) == 2
    assert not place.store.has(third.job_id)
    here = dataclasses.replace(parent, job_id="jhere", **within)
    with pytest.raises(TooManyDescendantsError, match="job jparent has 2 descendants"):
        await LocalPlace(home, (home, root)).launch(here, wait_for_report=True)
    place.close()
