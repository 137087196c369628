"""How jobs on a cluster end, by us, by Slurm, or with their node: nothing of them is left, and it is said as it was."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil
import pytest

from mcp_background_job.core.job import Job
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.records import Status
from mcp_background_job.jobs.manager import JobManager
from tests.cluster.slurm import Cluster
from tests.conftest import Liveness
from tests.nodes.support import record, runner_package
from tests.survival.support import ended, start

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
    cluster: Cluster, manager: JobManager, liveness: Liveness
) -> None:
    job = await hostile(manager, liveness)
    cluster.run("scancel", "--name", job.job_id)
    assert (await ended(manager, job)).status == "killed"
    liveness.assert_dead()


async def test_a_killed_runner_leaves_nothing_where_slurm_has_control_groups(
    cluster: Cluster, manager: JobManager, liveness: Liveness
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


def test_of_two_slurm_jobs_of_one_job_one_runs_it(cluster: Cluster, tmp_path: Path) -> None:
    job = record(tmp_path, "jtwice", f"echo ran >> {tmp_path}/made")
    script = f"exec {sys.executable} -I -S {runner_package(str(tmp_path))} {job.path}"
    submit = ["sbatch", "--parsable", f"--output={tmp_path}/log.%j", "--wrap", script]
    for native_id in [cluster.run(*submit), cluster.run(*submit)]:
        cluster.wait_for_state(native_id, "COMPLETED")
    assert (tmp_path / "made").read_text() == "ran\n"
    said = "".join(path.read_text() for path in tmp_path.glob("log.*"))
    assert said.startswith("job jtwice is not run again: job ")
