"""Slurm ends a job whose time is over, which it takes half a minute to notice."""

from __future__ import annotations

import pytest

from mcp_background_job.jobs.manager import JobManager
from tests.cluster.slurm import Cluster
from tests.survival.support import ended, printed, start

pytestmark = [pytest.mark.cluster, pytest.mark.real_process]


async def test_a_job_whose_time_is_over_in_slurm_has_timed_out(cluster: Cluster, manager: JobManager) -> None:
    job = await start(manager, "echo up; exec sleep 1000", on="slurm time=1m")
    await printed(manager, job, "up")
    # The shortest time that can be asked for is a minute.
    native_id = cluster.native_id_of(job.job_id)
    cluster.run("scontrol", "update", f"jobid={native_id}", "EndTime=now+1")
    end = await ended(manager, job)
    assert end.status == "timed_out"
    cluster.wait_for_state(native_id, "TIMEOUT")
