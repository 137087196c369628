"""What others do to our jobs in Slurm: it is told as it is, and no job is taken for over that is not."""

from __future__ import annotations

import asyncio
import shutil
import signal

import psutil
import pytest

from mcp_background_job.core.naming import Asker
from mcp_background_job.errors import LaunchError, RunnerSilentError
from mcp_background_job.jobs.manager import JobManager
from tests.cluster.conftest import Managers
from tests.cluster.slurm import Cluster, Slurm
from tests.cluster.test_ends import runner_of
from tests.conftest import Liveness
from tests.patience import until, wait_until
from tests.survival.support import ended, output_of, printed, start

pytestmark = [pytest.mark.cluster, pytest.mark.real_process]


@pytest.fixture
def home(cluster: Cluster, request: pytest.FixtureRequest) -> Cluster:
    """The cluster that managers use here: one of its own for a test whose daemons die."""
    return request.getfixturevalue("mortal") if "mortal" in request.fixturenames else cluster


async def test_a_job_that_slurm_has_suspended_says_so_is_not_over_and_can_be_killed(
    manager: JobManager, cluster: Cluster
) -> None:
    job = await start(manager, "echo up; read word", stdin="pipe", on="slurm")
    await printed(manager, job, "up")
    await manager.places.finish()  # a relay within the job would be suspended with it
    native_id = cluster.native_id_of(job.job_id)
    cluster.run("scontrol", "suspend", native_id)

    async def is_said() -> bool:
        details = await manager.details(job.job_id)
        assert details.job.status == "running"
        return "Slurm has suspended it" in (details.note or "")

    await until(is_said, "that it is suspended")
    with pytest.raises(RunnerSilentError, match="cannot be reached: Slurm has suspended it"):
        await manager.send_input(job, b"word\n")
    assert (await manager.kill(job.job_id, by="test")).status == "killed"
    cluster.wait_for_state(native_id, "CANCELLED")


async def test_a_job_goes_on_when_slurm_resumes_it(manager: JobManager, cluster: Cluster) -> None:
    job = await start(manager, "echo up; read word; exit 6", stdin="pipe", on="slurm")
    await printed(manager, job, "up")
    native_id = cluster.native_id_of(job.job_id)
    cluster.run("scontrol", "suspend", native_id)
    cluster.wait_for_state(native_id, "SUSPENDED")
    cluster.run("scontrol", "resume", native_id)
    await manager.send_input(job, b"word\n")
    end = await ended(manager, job)
    assert (end.status, end.exit_code) == ("failed", 6)


async def test_a_job_that_is_requeued_is_killed_and_does_not_run_again(manager: JobManager, cluster: Cluster) -> None:
    job = await start(manager, "echo up; exec sleep 1000", on="slurm")
    await printed(manager, job, "up")
    native_id = cluster.native_id_of(job.job_id)
    cluster.run("scontrol", "update", f"jobid={native_id}", "Requeue=1")
    cluster.run("scontrol", "requeuehold", native_id)
    assert (await ended(manager, job)).status == "killed"
    cluster.wait_for_state(native_id, "PENDING")
    cluster.run("scontrol", "update", f"jobid={native_id}", "StartTime=now")  # Slurm would wait for two minutes
    cluster.run("scontrol", "release", native_id)
    cluster.wait_for_state(native_id, "COMPLETED")
    assert (await manager.find(job.job_id)).status == "killed"
    assert output_of(manager, job.job_id) == b"up\n"


async def test_a_signal_that_slurm_sends_to_the_runner_reaches_the_processes_that_handle_it(
    manager: JobManager, cluster: Cluster
) -> None:
    job = await start(manager, "trap 'echo saved; exit 9' USR1; echo up; while :; do sleep 0.05; done", on="slurm")
    await printed(manager, job, "up")
    cluster.run("scancel", "--batch", "--signal=USR2", cluster.native_id_of(job.job_id))  # which nobody handles
    cluster.run("scancel", "--batch", "--signal=USR1", cluster.native_id_of(job.job_id))
    await printed(manager, job, "saved")
    end = await ended(manager, job)
    assert (end.status, end.exit_code) == ("failed", 9)


async def test_a_kill_of_a_job_whose_runner_is_gone_says_what_slurm_says(
    manager: JobManager, cluster: Cluster, liveness: Liveness
) -> None:
    if not cluster.tracks_by_cgroup:
        pytest.skip("Slurm ends what a runner leaves behind if it has control groups")
    job = await start(manager, liveness.holder("there"), on="slurm")
    await asyncio.to_thread(liveness.expect, "there")
    native_id = cluster.native_id_of(job.job_id)
    psutil.Process(runner_of(manager, job)).send_signal(signal.SIGKILL)
    cluster.wait_for_state(native_id, "FAILED")
    assert (await manager.kill(job.job_id, by="test")).status == "already_terminated"
    end = await manager.find(job.job_id)
    assert (end.status, end.exit_code) == ("failed", None)
    assert "its runner died on its node" in end.reason


async def test_a_job_that_a_controller_without_memory_does_not_know_is_not_taken_for_over(
    managers: Managers, mortal: Slurm, liveness: Liveness
) -> None:
    manager = managers()
    job = await start(manager, liveness.holder("there"), on="slurm")
    await asyncio.to_thread(liveness.expect, "there")
    await manager.places.finish()
    # Without its daemon, the node cannot be told to end what the new controller does not know.
    mortal.kill("n1")
    mortal.kill("controller")
    shutil.rmtree(mortal.directory / "state")
    (mortal.directory / "state").mkdir()
    mortal.start_controller()
    await asyncio.to_thread(wait_until, lambda: mortal.answers, "the new controller")
    with pytest.raises(RunnerSilentError, match="may be alive: Slurm has no job"):
        await manager.kill(job.job_id, by="test")
    assert (await manager.find(job.job_id)).status == "running"
    psutil.Process(runner_of(manager, job)).send_signal(signal.SIGTERM)
    liveness.wait_dead("there")
    assert (await ended(manager, job)).status == "killed"
    mortal.start_node("n1")
    await asyncio.to_thread(mortal.wait_for_nodes)


async def test_a_job_that_was_refused_is_known_by_its_name_at_once(manager: JobManager) -> None:
    with pytest.raises(LaunchError):
        await start(manager, "true", name="refused", project="tests", on="slurm partition=nowhere")
    assert (await manager.find("refused", Asker("tests"))).status == "failed"


async def test_a_job_that_asks_for_more_than_any_node_has_says_so_while_it_waits(manager: JobManager) -> None:
    job = await start(manager, "true", on="slurm cpus=999")

    async def is_said() -> bool:
        details = await manager.details(job.job_id)
        return "it asks for more than its partition has, so it never starts" in (details.note or "")

    await until(is_said, "why it waits")
    assert (await manager.kill(job.job_id, by="test")).status == "killed"
