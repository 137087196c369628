"""How jobs on a cluster end, by us, by Slurm, or with their node: nothing of them is left, and it is said as it was."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import psutil
import pytest

from mcp_background_job.core.job import Job
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.records import Status
from mcp_background_job.jobs.manager import JobManager
from tests.cluster.slurm import NODE_DEAD_S, Slurm
from tests.conftest import Liveness
from tests.nodes.support import record, runner_package
from tests.patience import PATIENCE_S
from tests.survival.support import ended, printed, start

pytestmark = [pytest.mark.cluster, pytest.mark.real_process]

#: Seven processes: deaf to SIGTERM, in sessions of their own, orphans, one without an environment.
_NAMES = ("shell", "deaf", "child", "session", "orphan", "deaf orphan", "bare")
_TREE = """
ignore(signal.SIGTERM)
connect("deaf")
fork_into(lambda: connect("child"))
fork_into(os.setsid, lambda: connect("session"))
daemon(lambda: connect("orphan"))
daemon(lambda: ignore(signal.SIGTERM), lambda: connect("deaf orphan"))
daemon(lambda: ignore(signal.SIGTERM), lambda: bare("bare"))
hang()
"""


def runner_of(manager: JobManager, job: Job) -> int:
    directory = os.path.dirname(manager.places.store_of(job.job_id).log_path(job.job_id))
    status = records.read(Status, f"{directory}/status.json")
    assert status
    return status.runner_pid


async def hostile(manager: JobManager, liveness: Liveness) -> Job:
    tree = liveness.script("tree", _TREE)
    job = await start(manager, f"{liveness.holder('shell')} & {tree}", on="slurm")
    liveness.expect(*_NAMES)
    return job


async def test_a_kill_ends_a_hostile_tree_on_its_node(manager: JobManager, liveness: Liveness) -> None:
    job = await hostile(manager, liveness)
    killed = await manager.kill(job.job_id, by="test", grace_s=2)
    liveness.assert_dead()
    assert killed.status == "killed"


async def test_scancel_from_outside_ends_a_hostile_tree_which_is_killed(
    cluster: Slurm, manager: JobManager, liveness: Liveness
) -> None:
    job = await hostile(manager, liveness)
    cluster.run("scancel", "--name", job.job_id)
    assert (await ended(manager, job)).status == "killed"
    liveness.assert_dead()


async def test_a_killed_runner_leaves_nothing_where_slurm_has_control_groups(
    cluster: Slurm, manager: JobManager, liveness: Liveness
) -> None:
    if not cluster.tracks_by_cgroup:
        pytest.skip("this user, or this machine, has no control groups for Slurm")
    job = await hostile(manager, liveness)
    runner = psutil.Process(runner_of(manager, job))
    runner.kill()
    liveness.wait_dead(*_NAMES)
    end = await ended(manager, job)
    assert end.status == "failed"
    assert end.exit_code is None


def test_of_two_slurm_jobs_of_one_job_one_runs_it(cluster: Slurm, tmp_path: Path) -> None:
    job = record(tmp_path, "jtwice", f"echo ran >> {tmp_path}/made")
    script = f"exec {sys.executable} -I -S {runner_package(str(tmp_path))} {job.path}"
    submit = ["sbatch", "--parsable", f"--output={tmp_path}/log.%j", "--wrap", script]
    for native_id in [cluster.run(*submit), cluster.run(*submit)]:
        cluster.wait_for_state(native_id, "COMPLETED")
    assert (tmp_path / "made").read_text() == "ran\n"
    said = "".join(path.read_text() for path in tmp_path.glob("log.*"))
    assert said.startswith("job jtwice is not run again: job ")


async def test_what_slurm_ends_is_told_as_it_was(cluster: Slurm, manager: JobManager, liveness: Liveness) -> None:
    """Both take Slurm half a minute to notice: its time is over, and its node is gone."""
    await asyncio.gather(_its_time_is_over(cluster, manager), _its_node_goes_off(cluster, manager, liveness))


async def _its_time_is_over(cluster: Slurm, manager: JobManager) -> None:
    job = await start(manager, "echo up; exec sleep 1000", on="slurm time=1m constraint=n1")
    await printed(manager, job, "up")
    # The shortest time that can be asked for is a minute.
    native_id = cluster.run("squeue", "-h", "--name", job.job_id, "-o", "%i")
    cluster.run("scontrol", "update", f"jobid={native_id}", "EndTime=now+1")
    end = await ended(manager, job)
    assert end.status == "timed_out"
    cluster.wait_for_state(native_id, "TIMEOUT")


async def _its_node_goes_off(cluster: Slurm, manager: JobManager, liveness: Liveness) -> None:
    job = await start(manager, liveness.holder("there"), on="slurm constraint=n3")
    await asyncio.to_thread(liveness.expect, "there")
    step = psutil.Process(runner_of(manager, job)).parent()
    assert step
    assert step.name() == "slurmstepd"
    cluster.kill("n3")
    for process in [step, *step.children(recursive=True)]:
        process.kill()
    liveness.wait_dead("there")
    seen = await manager.find(job.job_id)
    assert seen.status == "running", "nobody knows yet"
    end = await ended(manager, job, NODE_DEAD_S + PATIENCE_S)
    assert end.status == "lost"
    assert "n3" in end.reason
    cluster.start_node("n3")
    cluster.wait_for_nodes()
