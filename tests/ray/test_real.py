"""Jobs on a real Ray: what it does otherwise than one should think, and that our jobs are jobs there all the same."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from fastmcp import Client

from mcp_background_job.config import load_settings
from mcp_background_job.core.job import Job
from mcp_background_job.core.states import Outcome, State
from mcp_background_job.errors import EngineUnreachableError, LaunchError
from mcp_background_job.executors.ray import native
from mcp_background_job.executors.ray.place import RayPlace
from mcp_background_job.executors.ray.rest import UnsureError
from mcp_background_job.jobdir import records, usage
from mcp_background_job.jobdir.records import Exit
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import StartRequest
from mcp_background_job.server.build import build_server
from tests.conftest import processes_of
from tests.patience import ASK_AGAIN_S, PATIENCE_S, WAIT_S, until
from tests.ray.cluster import ALONE, HEAD, START_TIMEOUT_S, WORKERS, Ray
from tests.ray.conftest import Managers
from tests.ray.fake import FakeRay
from tests.server.calls import Caller

pytestmark = [pytest.mark.ray, pytest.mark.real_process]

#: Processes that do not want to end: in a session of their own, and deaf to SIGTERM.
_HOSTILE = """\
trap '' TERM
for n in 1 2 3; do setsid sh -c "trap '' TERM; sleep 1000; true" & done
echo ready
sleep 1000
sleep 1000
"""

_LISTENS = """\
tty
python3 -c '
import socket, time
listening = socket.create_server(("127.0.0.1", 0))
print("listens on", listening.getsockname()[1], flush=True)
time.sleep(1000)
'
"""

#: Bytes that a job holds, with a child that does not want to end, and for how long it may.
_EATEN = 150_000_000
_EATS = f"""\
setsid sh -c "trap '' TERM; sleep 1000; true" &
exec python3 -c 'held = b"x" * {_EATEN}; import time; time.sleep(1000)'
"""
_LIMIT_S = 4.0

#: Waits of one call each for a job to begin.
_WAITS = 4


@pytest.fixture
def manager(managers: Managers) -> JobManager:
    return managers()


@pytest.fixture
async def client(manager: JobManager) -> AsyncGenerator[Caller]:
    async with Client(build_server(manager, load_settings())) as client:
        yield Caller(client)


def place_of(manager: JobManager) -> RayPlace:
    place = manager.places.named("ray")
    assert isinstance(place, RayPlace)
    return place


def submission_of(manager: JobManager, job_id: str) -> str:
    noted = native.read(place_of(manager).store.job(job_id))
    assert noted is not None
    return noted.submission_id(job_id)


async def started(manager: JobManager, command: str, on: str = "ray", **asked: object) -> Job:
    request = StartRequest(command=command, on=on, **asked)  # pyright: ignore[reportArgumentType]
    return (await manager.start(request, client="test")).job


async def reaches(manager: JobManager, job: Job, *states: State) -> Job:
    now = job

    async def is_there() -> bool:
        nonlocal now
        await manager.places.tend()
        now = await manager.find(job.job_id)
        return now.state in states

    await until(is_there, f"{job.job_id} is {' or '.join(states)}", 2 * PATIENCE_S, pause_s=ASK_AGAIN_S)
    return now


def left_of(job_id: str) -> dict[int, str]:
    marker = f"MCP_BG_JOB_ID={job_id}".encode()
    found: dict[int, str] = {}
    for name in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if marker in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                found[int(name)] = Path(f"/proc/{name}/cmdline").read_bytes().decode()
    return found


async def none_left(job_id: str) -> None:
    async def is_gone() -> bool:
        return not left_of(job_id)

    await until(is_gone, f"the end of {left_of(job_id)}", pause_s=ASK_AGAIN_S)


async def matched(client: Caller, job_id: str, until: str) -> str:
    """Wait until a job has written something; returns its output."""
    for _ in range(_WAITS):  # Ray takes long to begin where everything does
        if (await client.facts("wait_for_job", job_id=job_id, until=until, wait_s=WAIT_S))["why"] == "matched":
            return await client.text("get_job_output", job_id=job_id)
    raise AssertionError(await client.facts("get_job_status", job_id=job_id))


async def test_all_tools_for_jobs_work_on_ray(client: Caller) -> None:
    program = (
        r"printf 'gpu <%s> <%s>\n\377\n' $CUDA_VISIBLE_DEVICES $OMP_NUM_THREADS; read word; echo heard $word; exit 9"
    )
    asked = {"command": program, "name": "work", "on": "ray gpus=1", "stdin": "pipe", "wait_s": 0}
    began = await client.facts("execute_command", **asked)
    assert "gpu <0> <>" in await matched(client, "work", "gpu <")  # Ray would have it use one thread
    status = await client.facts("get_job_status", job_id="work")
    assert status["engine"].startswith(f"Ray mcp-bg-{began['job_id']}-")
    assert status["engine"].endswith(", 1 GPU")
    assert "gpu <0>" in await client.text("tail_job_output", job_id="work")
    (row,) = (await client.facts("list_jobs"))["jobs"]
    assert row["engine"] == status["engine"]
    await client.text("interact_with_job", job_id="work", input="hello", wait_s=WAIT_S)
    ended = await client.facts("wait_for_job", job_id="work", wait_s=WAIT_S)
    assert (ended["status"], ended["exit_code"]) == ("failed", 9)
    assert "heard hello" in await client.text("get_job_output", job_id="work")
    again = await client.facts("restart_job", job_id="work", wait_s=0)
    await matched(client, "work", "gpu <")
    assert (await client.facts("get_job_status", job_id="work"))["engine"].endswith(", 1 GPU")
    assert (await client.facts("kill_job", job_id="work"))["status"] == "killed"
    assert again["job_id"] != began["job_id"]


async def test_a_port_silence_and_a_terminal(client: Caller) -> None:
    job = await client.facts("execute_command", command=_LISTENS, on="ray", stdin="pty", wait_s=0)
    output = await matched(client, job["job_id"], "listens on")
    assert "/dev/pts/" in output
    port = re.findall(r"listens on (\d+)", output)[0]
    found = await client.facts("wait_for_job", job_id=job["job_id"], until=f"port:{port}", wait_s=WAIT_S)
    assert found["why"] == "port"
    idle = await client.facts("wait_for_job", job_id=job["job_id"], until="idle:1", wait_s=WAIT_S)
    assert idle["why"] == "idle"
    await client.facts("kill_job", job_id=job["job_id"])
    await none_left(job["job_id"])


async def test_a_job_without_wishes_does_not_run_on_the_head(manager: JobManager, ray_cluster: Ray) -> None:
    job = await started(manager, "true")
    await reaches(manager, job, State.EXITED)
    line = ray_cluster.head.look_up(submission_of(manager, job.job_id))
    assert line is not None
    assert line.nodes in WORKERS
    assert (await manager.find(job.job_id)).outcome is Outcome.COMPLETED


async def test_a_time_limit_ends_all_of_a_job_and_what_it_used_is_known(manager: JobManager) -> None:
    job = await started(manager, _EATS, timeout_s=_LIMIT_S)
    end = await reaches(manager, job, State.EXITED)
    assert end.outcome is Outcome.TIMED_OUT
    await none_left(job.job_id)
    store = place_of(manager).store
    ended = records.read(Exit, store.job(job.job_id).exit)
    assert ended is not None
    assert ended.peak_memory > _EATEN
    assert ended.user_s > 0
    curve = usage.read(store.job(job.job_id).usage)
    assert max(sample.memory for sample in curve) > _EATEN
    assert max(sample.processes for sample in curve) >= 2


async def test_what_no_node_has_is_refused_and_never_submitted(manager: JobManager, ray_cluster: Ray) -> None:
    before = len(ray_cluster.head.queue())
    for asked in ("gpus=2", "cpus=5", "mem=1T", "resources=unicorn:1", "gpus=1 resources=alone:2"):
        with pytest.raises(LaunchError, match="no node of Ray has") as refusal:
            await started(manager, "true", f"ray {asked}")
        assert "\n" not in str(refusal.value)
    assert len(ray_cluster.head.queue()) == before
    assert place_of(manager).store.to_be_submitted() == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"ray_token": "wrong"}, "does not accept our token"),
        ({"ray_token": ""}, "set MCP_BG_RAY_TOKEN"),
        ({"ray_address": "http://127.0.0.2:1"}, "does not answer"),
    ],
)
async def test_a_job_that_could_not_be_submitted_is_never_run(
    managers: Managers, ray_cluster: Ray, tmp_path: Path, settings: dict[str, str], words: str
) -> None:
    before = len(ray_cluster.head.queue())
    marker = tmp_path / "marker"
    with pytest.raises(EngineUnreachableError, match=words) as refusal:
        await started(managers(**settings), f"touch {marker}")
    assert "\n" not in str(refusal.value)
    cured = managers()  # whoever sets it right finds nothing that is left to do
    await cured.places.tend()
    (job,) = [await cured.find(job_id) for job_id in cured.places.discover()]
    assert (job.state, job.outcome) == (State.EXITED, Outcome.FAILED)
    assert len(ray_cluster.head.queue()) == before
    assert not marker.exists()


@pytest.mark.parametrize("by", ["us", "ray"])
async def test_nothing_of_a_hostile_tree_is_left(manager: JobManager, ray_cluster: Ray, by: str) -> None:
    job = await started(manager, _HOSTILE)
    await reaches(manager, job, State.RUNNING)

    async def is_ready() -> bool:
        await manager.find(job.job_id)
        return place_of(manager).store.log_extent(job.job_id)[1] > 0

    await until(is_ready, "the tree stands", pause_s=ASK_AGAIN_S)
    assert len(left_of(job.job_id)) >= 7
    if by == "us":
        await manager.kill(job.job_id, by="test", why="enough", grace_s=2)
    else:
        ray_cluster.head.stop(submission_of(manager, job.job_id))
    end = await reaches(manager, job, State.EXITED)
    assert end.outcome is Outcome.KILLED
    await none_left(job.job_id)


async def test_nothing_is_left_when_rays_own_process_for_a_job_dies(manager: JobManager, ray_cluster: Ray) -> None:
    job = await started(manager, "setsid sleep 1000 & sleep 1000")
    await reaches(manager, job, State.RUNNING)
    of_ray = processes_of(str(ray_cluster.directory))
    supervisors = [pid for pid, command in of_ray.items() if command.startswith("ray::JobSupervisor")]
    assert supervisors
    for pid in supervisors:
        os.kill(pid, signal.SIGKILL)
    end = await reaches(manager, job, State.EXITED)
    assert end.outcome in (Outcome.KILLED, Outcome.LOST)
    await none_left(job.job_id)


async def test_a_job_that_waits_is_withdrawn_and_never_runs(manager: JobManager, tmp_path: Path) -> None:
    first = await started(manager, "sleep 1000", ALONE)
    await reaches(manager, first, State.RUNNING)
    marker = tmp_path / "marker"
    second = await started(manager, f"touch {marker}", ALONE)
    killed = await manager.kill(second.job_id, by="test", why="enough", grace_s=1)
    assert killed is not None
    end = await manager.find(second.job_id)
    assert (end.state, end.outcome) == (State.EXITED, Outcome.KILLED)
    await manager.kill(first.job_id, by="test", why="enough", grace_s=1)
    third = await started(manager, "true", ALONE)  # whoever comes behind it has his turn
    assert (await reaches(manager, third, State.EXITED)).outcome is Outcome.COMPLETED
    assert not marker.exists()


async def test_a_job_that_ray_gives_up_is_submitted_again(manager: JobManager, ray_cluster: Ray) -> None:
    first = await started(manager, "sleep 1000", ALONE)
    await reaches(manager, first, State.RUNNING)
    second = await started(manager, "echo once", ALONE)
    submission_id = submission_of(manager, second.job_id)

    async def is_given_up() -> bool:
        line = ray_cluster.head.look_up(submission_id)
        return line is not None and line.state == "FAILED"

    await until(is_given_up, "Ray gives it up", START_TIMEOUT_S + PATIENCE_S, pause_s=ASK_AGAIN_S)
    assert (await manager.find(second.job_id)).state is State.QUEUED
    await manager.kill(first.job_id, by="test", why="enough", grace_s=1)
    end = await reaches(manager, second, State.EXITED)
    assert end.outcome is Outcome.COMPLETED
    assert submission_of(manager, second.job_id) != submission_id
    assert place_of(manager).store.read_log(second.job_id, 0, 100).data == b"once\n"


async def test_an_id_is_taken_once(manager: JobManager, ray_cluster: Ray) -> None:
    job = await started(manager, "echo once")
    await reaches(manager, job, State.EXITED)
    asked = {"submission_id": submission_of(manager, job.job_id), "entrypoint": "true"}
    ray_cluster.head.submit(asked)  # it says that it has it, which is as good
    with pytest.raises((LaunchError, UnsureError)):
        ray_cluster.head.submit({"entrypoint": 5})


async def test_what_a_real_head_answers_has_the_form_of_what_the_fake_does(
    manager: JobManager, ray_cluster: Ray, tmp_path: Path
) -> None:
    job = await started(manager, "exit 3")
    await reaches(manager, job, State.EXITED)
    submission_id = submission_of(manager, job.job_id)
    fake = FakeRay(tmp_path)
    try:
        fake.take({"submission_id": submission_id, "metadata": {}, "entrypoint": ""})
        for path in (
            "/api/version",
            f"/api/jobs/{submission_id}",
            f"/api/jobs/{submission_id}/logs",
            "/api/authentication_mode",
        ):
            real = ray_cluster.head._object("GET", path)
            status, text = fake.answer("GET", path, b"")
            assert status == 200
            assert set(json.loads(text)) <= set(real), path
        status, text = fake.answer("GET", "/api/jobs/mcp-bg-nobody", b"")
        response = ray_cluster.head._request("GET", "/api/jobs/mcp-bg-nobody", 10.0)
        assert (response.status_code, response.text) == (status, text)
    finally:
        fake.stop()


async def test_a_silent_head_is_said_and_jobs_go_on(
    manager: JobManager, ray_cluster: Ray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_background_job.executors.ray.rest.ANSWER_S", 1.0)
    job = await started(manager, "sleep 1000")
    await reaches(manager, job, State.RUNNING)
    with ray_cluster.silent():
        details = await manager.details(job.job_id)
        assert details.job.state is State.RUNNING
        with pytest.raises(EngineUnreachableError):
            await started(manager, "true")
        await manager.kill(job.job_id, by="test", why="enough", grace_s=1)
        assert (await manager.find(job.job_id)).outcome is Outcome.KILLED
        await none_left(job.job_id)


async def test_doctor_and_places(ray_cluster: Ray, state_dir: str) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": state_dir,
        "MCP_BG_STATE_DIR": state_dir,
        "MCP_BG_RAY_ADDRESS": ray_cluster.address,
        "MCP_BG_RAY_TOKEN": ray_cluster.token,
        "MCP_BG_PLACES": "ray",  # there may be programs of Slurm
    }

    def run(*words: str) -> str:
        argv = [sys.executable, "-m", "mcp_background_job", *words]
        patience_s = 2 * PATIENCE_S
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=patience_s, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "can be reached" in run("doctor", "--on", "ray")
    assert "ray" in run("places")


async def test_a_head_that_lost_its_state_ends_no_job_falsely(manager: JobManager, ray_cluster: Ray) -> None:
    """The last one: the next would have to wait for another cluster."""
    job = await started(manager, "sleep 1000")
    await reaches(manager, job, State.RUNNING)
    ray_cluster.kill(HEAD)
    before = time.monotonic()
    assert (await manager.find(job.job_id)).state in (State.RUNNING, State.EXITED)
    assert time.monotonic() - before < PATIENCE_S
    ray_cluster.start_head()
    end = await reaches(manager, job, State.EXITED, State.RUNNING)
    if end.state is State.RUNNING:
        await manager.kill(job.job_id, by="test", why="enough", grace_s=1)
        end = await manager.find(job.job_id)
    assert end.outcome in (Outcome.KILLED, Outcome.LOST)
    await none_left(job.job_id)
