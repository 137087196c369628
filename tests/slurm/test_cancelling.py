"""Jobs are stopped by the shortest way, and nobody else's is."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.core.states import Outcome, State
from mcp_background_job.errors import EngineUnreachableError, RunnerSilentError
from mcp_background_job.executors.slurm import cancelling
from mcp_background_job.executors.slurm.options import Options
from mcp_background_job.executors.slurm.place import SlurmPlace
from mcp_background_job.executors.slurm.submitting import Site
from mcp_background_job.jobdir.control import NoRunnerError
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobdir.records import Spec, StopRequest
from tests.slurm.conftest import SpecOf
from tests.slurm.fake import FakeSlurm, claimed, ended, runs
from tests.slurm.test_submitting import seen, tended


def a_stop() -> StopRequest:
    return StopRequest(at=time.time(), by="somebody", why="enough", signal="SIGTERM", grace_s=1.0)


@pytest.fixture
def unreachable(place: SlurmPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """No way leads to a runner."""

    async def connect(job_id: str) -> None:
        raise NoRunnerError(job_id)

    monkeypatch.setattr(place, "connect", connect)
    for name, value in (("_BETWEEN_ATTEMPTS_S", 0.0), ("_BETWEEN_LOOKS_S", 0.0), ("_ENGINE_PATIENCE_S", 0.2)):
        monkeypatch.setattr(cancelling, name, value)


async def test_a_job_that_waits_never_runs_and_leaves_the_queue(
    place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm
) -> None:
    spec = spec_of()
    await place.launch(spec, wait_for_report=True)
    assert (await place.cancel(spec.job_id, a_stop())).was_live
    end = seen(place, spec).exit
    assert end is not None
    assert (end.outcome, end.started_at) == (Outcome.KILLED, None)
    assert "somebody" in end.reason
    assert slurm.asked[-1] != "scancel 800"
    assert slurm.jobs["800"].state == "CANCELLED"
    assert place.store.has(spec.job_id)
    assert place.store.waiting() == set()


async def test_a_job_that_waits_is_withdrawn_although_slurm_is_silent(
    place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm
) -> None:
    spec = spec_of()
    await place.launch(spec, wait_for_report=True)
    slurm.is_silent = True
    assert (await place.cancel(spec.job_id, a_stop())).was_live
    assert seen(place, spec).outcome is Outcome.KILLED
    slurm.is_silent = False
    await tended(place)
    assert slurm.jobs["800"].state == "CANCELLED"


@pytest.mark.usefixtures("impatient")
async def test_a_job_that_slurm_has_not_confirmed_is_not_submitted_any_more(
    place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm
) -> None:
    spec = spec_of()
    place.store.record(spec)
    assert (await place.cancel(spec.job_id, a_stop())).was_live
    await tended(place)
    assert slurm.submissions == []


@pytest.mark.usefixtures("unreachable")
@pytest.mark.usefixtures("impatient")
async def test_a_job_whose_runner_is_out_of_reach_is_ended_by_slurm(
    place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm
) -> None:
    spec = spec_of()
    await place.launch(spec, wait_for_report=True)
    runs(place.store.job(spec.job_id), "800")
    slurm.say("800", "RUNNING", "n1")
    assert (await place.cancel(spec.job_id, a_stop())).was_live
    assert "scancel 800" in slurm.asked
    assert seen(place, spec).outcome is Outcome.KILLED


@pytest.mark.usefixtures("unreachable")
async def test_a_stranger_who_has_the_id_is_not_cancelled(
    place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_background_job.executors.slurm.seeing._GRACE_S", 0.0)
    spec = spec_of()
    await place.launch(spec, wait_for_report=True)
    runs(place.store.job(spec.job_id), "800")
    slurm.jobs["800"] = slurm.jobs["800"]._replace(job_id="", state="RUNNING")
    with pytest.raises(RunnerSilentError, match="may be alive"):  # its runner has just written something
        await place.cancel(spec.job_id, a_stop())
    assert seen(place, spec).state is State.RUNNING
    monkeypatch.setattr("mcp_background_job.executors.slurm.seeing._SIGN_OF_LIFE_S", -1.0)
    await place.cancel(spec.job_id, a_stop())
    assert slurm.jobs["800"].state == "RUNNING"
    assert not [asked for asked in slurm.asked if asked.startswith("scancel")]
    assert seen(place, spec).outcome is Outcome.LOST


@pytest.mark.usefixtures("unreachable")
async def test_without_runner_and_slurm_nothing_is_stopped_and_that_is_said(
    place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm
) -> None:
    spec = spec_of()
    await place.launch(spec, wait_for_report=True)
    runs(place.store.job(spec.job_id), "800")
    slurm.is_silent = True
    with pytest.raises(EngineUnreachableError, match="nothing was stopped"):
        await place.cancel(spec.job_id, a_stop())
    assert seen(place, spec).state is State.RUNNING


@pytest.mark.usefixtures("unreachable")
async def test_a_node_that_is_off_confirms_nothing(place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm) -> None:
    spec = spec_of()
    await place.launch(spec, wait_for_report=True)
    runs(place.store.job(spec.job_id), "800")
    slurm.say("800", "RUNNING", "n1")
    slurm.is_deaf = True
    with pytest.raises(RunnerSilentError, match="is not dead"):
        await place.cancel(spec.job_id, a_stop())


async def test_what_is_over_is_not_cancelled(place: SlurmPlace, spec_of: SpecOf, slurm: FakeSlurm) -> None:
    spec = spec_of()
    await place.launch(spec, wait_for_report=True)
    claimed(place.store.job(spec.job_id), "800")
    ended(place.store.job(spec.job_id))
    assert not (await place.cancel(spec.job_id, a_stop())).was_live
    assert not (await place.cancel("jnobody", a_stop())).was_live
    assert not [asked for asked in slurm.asked if asked.startswith("scancel")]


async def test_a_job_ends_with_the_job_of_this_machine_that_it_was_asked_for_within(
    slurm: FakeSlurm, root: StateDir, tmp_path: Path
) -> None:
    home = StateDir(str(tmp_path / "home"))
    parent = home.job("jparent")
    os.makedirs(parent.path)
    place = SlurmPlace(root, slurm, Site(Options(), "python3"), family=(home, root))
    assert place.store.claim("jchild")
    asked: dict[str, Any] = {"env": {}, "created_at": 1.0, "cookie": "", "max_output": 1, "max_jobs": 1}
    spec = Spec(job_id="jchild", command="true", argv=["true"], cwd="/", ancestors=["jparent"], on="slurm", **asked)
    await place.launch(spec, wait_for_report=True)
    await place.tend()
    await place.finish()
    assert place.look(["jchild"])["jchild"].state is State.QUEUED
    ended(parent, "killed", signal="SIGTERM")
    await place.tend()
    await place.finish()
    end = place.look(["jchild"])["jchild"].exit
    assert end is not None
    assert (end.outcome, "ended with job jparent" in end.reason) == (Outcome.KILLED, True)
    late = dataclasses.replace(spec, job_id="jlate")
    assert place.store.claim("jlate")
    await place.launch(late, wait_for_report=True)
    assert place.look(["jlate"])["jlate"].outcome is Outcome.KILLED
    place.close()
