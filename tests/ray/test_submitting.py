"""A job is submitted once, whoever dies meanwhile, and what Ray cannot do is said before."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from pathlib import Path

import pytest

from mcp_background_job.core.states import Outcome, State
from mcp_background_job.errors import EngineUnreachableError, LaunchError
from mcp_background_job.executors.ray import native, seeing, submitting
from mcp_background_job.executors.ray.place import RayPlace
from mcp_background_job.executors.ray.rest import Head
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobdir.records import Spec, StopRequest
from tests.ray.conftest import SpecOf
from tests.ray.fake import TOKEN, FakeRay


def seen(place: RayPlace, spec: Spec) -> Observation:
    return place.look([spec.job_id])[spec.job_id]


async def tended(place: RayPlace) -> None:
    place._watcher.ask().join()
    await place.tend()
    await place._background.finish()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Believe Ray at once, and repeat at once what it has not confirmed."""
    monkeypatch.setattr(submitting, "REPEAT_AFTER_S", -1.0)
    monkeypatch.setattr(seeing, "SHOWS_AFTER_S", -1.0)


async def test_a_job_asks_for_a_processor_at_least_and_tells_ray_nothing_of_its_own(
    place: RayPlace, spec_of: SpecOf, ray: FakeRay
) -> None:
    spec = spec_of("echo secret", env={"KEY": "mine"}, name="train")
    submitted = await place.launch(spec, wait_for_report=True)
    assert (submitted.queued, submitted.pid) == (True, None)
    (job,) = ray.jobs.values()
    assert job["entrypoint_num_cpus"] == 1  # without any wish it would run on the head
    assert job["metadata"] == {"mcp_bg_job": spec.job_id, "name": "train"}
    assert "mine" not in json.dumps(job)
    assert "secret" not in json.dumps(job)
    assert int(job["runtime_env"]["env_vars"]["RAY_JOB_STOP_WAIT_TIME_S"]) > 5  # the longest grace of a runner's own
    one = seen(place, spec)
    assert one.state is State.QUEUED
    assert one.engine_note == "waits in Ray: Job has not started yet."
    assert place.store.waiting() == {spec.job_id}


async def test_what_is_asked_for_is_asked_of_ray(place: RayPlace, spec_of: SpecOf, ray: FakeRay) -> None:
    spec = spec_of(on="ray gpus=0.5 cpus=2 mem=2G resources=a100:1,licence:0.5")
    await place.launch(spec, wait_for_report=True)
    (job,) = ray.jobs.values()
    asked = {name: value for name, value in job.items() if name.startswith("entrypoint_")}
    assert asked == {
        "entrypoint_num_gpus": 0.5,
        "entrypoint_num_cpus": 2,
        "entrypoint_memory": 2 * 2**30,
        "entrypoint_resources": {"a100": 1.0, "licence": 0.5},
    }
    assert (seen(place, spec).engine or "").endswith(", 0.5 GPUs")


async def test_input_and_long_commands_travel_with_the_job(
    place: RayPlace, spec_of: SpecOf, ray: FakeRay, tmp_path: Path
) -> None:
    (tmp_path / "input").write_bytes(b"\xffbytes")
    spec = spec_of(stdin_file=str(tmp_path / "input"))
    place.store.keep(spec.job_id, "command", b"exit 3")
    await place.launch(spec, wait_for_report=True)
    (content,) = ray.packages.values()
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        assert package.read("files/stdin") == b"\xffbytes"
        assert package.read("files/command") == b"exit 3"
        assert "files/spec.json" not in package.namelist()


@pytest.mark.parametrize(
    ("on", "words"),
    [
        ("ray gpus=3", "no node of Ray has gpus=3; the largest has 2"),
        ("ray cpus=5", "no node of Ray has cpus=5; the largest has 4"),
        ("ray mem=9T", "no node of Ray has mem="),
    ],
)
async def test_more_than_any_node_has_is_refused(
    place: RayPlace, spec_of: SpecOf, ray: FakeRay, on: str, words: str
) -> None:
    spec = spec_of(on=on)
    with pytest.raises(LaunchError, match=words):
        await place.launch(spec, wait_for_report=True)
    assert ray.submissions == []
    assert seen(place, spec).outcome is Outcome.FAILED
    ray.grows = True
    await place.launch(spec_of(on=on), wait_for_report=True)
    assert len(ray.submissions) == 1


async def test_what_ray_refuses_is_told_in_its_words(place: RayPlace, spec_of: SpecOf, ray: FakeRay) -> None:
    ray.refuses = "what is that"
    spec = spec_of()
    with pytest.raises(LaunchError, match="Ray refuses the job: ValueError: what is that"):
        await place.launch(spec, wait_for_report=True)
    end = seen(place, spec).exit
    assert end is not None
    assert (end.outcome, end.started_at) == (Outcome.FAILED, None)
    assert place.store.to_be_submitted() == []


@pytest.mark.usefixtures("impatient")
async def test_a_job_is_taken_once_although_the_answer_was_lost(place: RayPlace, spec_of: SpecOf, ray: FakeRay) -> None:
    ray.loses_answers = True
    spec = spec_of()
    await place.launch(spec, wait_for_report=True)
    assert place.store.to_be_submitted() == [spec.job_id]
    ray.loses_answers = False
    await tended(place)
    await tended(place)
    assert place.store.to_be_submitted() == []
    assert len(ray.submissions) == 1
    assert ray.asked.count("POST /api/jobs/") == 1
    assert seen(place, spec).state is State.QUEUED


@pytest.mark.usefixtures("impatient")
async def test_a_submission_that_ray_does_not_have_is_repeated_under_the_same_id(
    place: RayPlace, spec_of: SpecOf, ray: FakeRay
) -> None:
    ray.loses_answers = True
    spec = spec_of()
    await place.launch(spec, wait_for_report=True)
    ((first, _),) = ray.jobs.items()
    ray.jobs.clear()
    ray.loses_answers = False
    await tended(place)
    assert list(ray.jobs) == [first]


@pytest.mark.usefixtures("impatient")
async def test_nothing_is_submitted_again_to_a_head_that_has_lost_its_state(
    place: RayPlace, spec_of: SpecOf, ray: FakeRay
) -> None:
    ray.loses_answers = True
    spec = spec_of()
    await place.launch(spec, wait_for_report=True)
    ray.forget()
    await tended(place)
    assert ray.submissions == []
    end = seen(place, spec).exit
    assert end is not None
    assert end.outcome == Outcome.LOST
    assert "restarted without its state" in end.reason


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("is_asked", [False, True])
async def test_who_finds_a_job_of_a_server_that_died_submits_it(
    place: RayPlace, spec_of: SpecOf, ray: FakeRay, root: StateDir, *, is_asked: bool
) -> None:
    spec = spec_of()
    noted = native.new(ray.address, 0.0)
    if is_asked:
        noted = dataclasses.replace(noted, asked_at=1.0, session=ray.session)
    native.write(place.store.job(spec.job_id), noted)
    place.store.record(spec)
    others = [RayPlace(root, Head(ray.address, TOKEN), poll_s=0.0) for _ in range(3)]
    for other in others:  # each process does what it finds to be done
        await tended(other)
        other.close()
    assert ray.submissions == [noted.submission_id(spec.job_id)]


@pytest.mark.usefixtures("impatient")
async def test_a_job_that_ray_gave_up_waiting_is_submitted_again_and_never_twice(
    place: RayPlace, spec_of: SpecOf, ray: FakeRay, root: StateDir
) -> None:
    spec = spec_of()
    await place.launch(spec, wait_for_report=True)
    (first,) = ray.submissions
    message = "Job supervisor actor failed to start within 900.0 seconds."
    ray.say(first, "FAILED", error_type="JOB_SUPERVISOR_ACTOR_START_TIMEOUT", message=message)
    other = RayPlace(root, Head(ray.address, TOKEN), poll_s=0.0)
    other._watcher.ask().join()  # what it knows is old by then
    assert seen(place, spec).state is State.QUEUED
    await tended(place)
    await other.tend()
    other.close()
    assert ray.submissions == [first, first.removesuffix("1") + "2"]
    assert seen(place, spec).state is State.QUEUED
    assert place.store.waiting() == {spec.job_id}


async def test_a_job_is_submitted_when_the_one_before_has_completed(
    place: RayPlace, spec_of: SpecOf, ray: FakeRay
) -> None:
    first = spec_of()
    await place.launch(first, wait_for_report=True)
    second, third = spec_of(after=[first.job_id]), spec_of(after=[first.job_id])
    for spec in (second, third):
        await place.launch(spec, wait_for_report=True)
    await tended(place)
    assert len(ray.submissions) == 1
    assert seen(place, second).engine_note == "it is submitted to Ray when its turn comes"
    await place.cancel(third.job_id, StopRequest(at=0.0, by="me", why="enough", signal="SIGTERM", grace_s=1.0))
    assert seen(place, third).outcome is Outcome.KILLED
    ray.logs[ray.submissions[0]] = 'mcp-bg: {"ended": {"outcome": "completed", "ended_at": 5.0, "exit_code": 0}}\n'
    ray.say(ray.submissions[0], "SUCCEEDED")
    assert seen(place, first).outcome is Outcome.COMPLETED
    await tended(place)
    assert [ray.jobs[name]["metadata"]["mcp_bg_job"] for name in ray.submissions] == [first.job_id, second.job_id]


async def test_a_job_behind_one_that_failed_is_never_submitted(place: RayPlace, spec_of: SpecOf, ray: FakeRay) -> None:
    first = spec_of()
    await place.launch(first, wait_for_report=True)
    second = spec_of(after=[first.job_id])
    await place.launch(second, wait_for_report=True)
    ray.logs[ray.submissions[0]] = 'mcp-bg: {"ended": {"outcome": "failed", "ended_at": 5.0, "exit_code": 1}}\n'
    ray.say(ray.submissions[0], "FAILED")
    assert seen(place, first).outcome is Outcome.FAILED
    await tended(place)
    end = seen(place, second).exit
    assert end is not None
    assert (end.outcome, end.started_at) == (Outcome.FAILED, None)
    assert first.job_id in end.reason
    assert len(ray.submissions) == 1


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"mode": "disabled"}, "lets everybody in"),
        ({"is_broken": True}, "lets everybody in"),
    ],
)
async def test_a_head_that_asks_nobody_for_a_token_is_not_used(
    place: RayPlace, spec_of: SpecOf, ray: FakeRay, fault: dict[str, object], words: str
) -> None:
    for name, value in fault.items():
        setattr(ray, name, value)
    with pytest.raises(EngineUnreachableError, match=words):
        await place.launch(spec_of(), wait_for_report=True)
    assert ray.submissions == []


@pytest.mark.parametrize(("token", "words"), [("", "set MCP_BG_RAY_TOKEN"), ("wrong", "does not accept our token")])
async def test_without_the_token_nothing_is_submitted(
    ray: FakeRay, root: StateDir, spec_of: SpecOf, token: str, words: str
) -> None:
    place = RayPlace(root, Head(ray.address, token), poll_s=0.0)
    spec = spec_of()
    with pytest.raises(EngineUnreachableError, match=words):
        await place.launch(spec, wait_for_report=True)
    assert ray.submissions == []
    assert place.look([spec.job_id])[spec.job_id].outcome is Outcome.FAILED
    place.close()
