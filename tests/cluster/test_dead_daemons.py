"""The controller dies, or a node does: jobs run on, are told as they are, and what is not known is not claimed."""

from __future__ import annotations

import asyncio

import psutil
import pytest

from mcp_background_job.errors import EngineUnreachableError
from tests.cluster.conftest import Managers
from tests.cluster.slurm import NODE_DEAD_S, Slurm
from tests.cluster.test_ends import runner_of
from tests.conftest import Liveness
from tests.patience import PATIENCE_S, until
from tests.survival.support import ended, printed, start

pytestmark = [pytest.mark.cluster, pytest.mark.real_process]


@pytest.fixture
def home(mortal: Slurm) -> Slurm:
    """The cluster that managers use here."""
    return mortal


async def test_jobs_run_on_and_are_stopped_although_the_controller_is_dead(managers: Managers, home: Slurm) -> None:
    manager = managers(slurm_control="tcp")
    job = await start(manager, "echo up; exec sleep 1000", on="slurm")
    await printed(manager, job, "up")
    await asyncio.to_thread(home.save)
    home.kill("controller")

    async def is_stale() -> bool:
        details = await manager.details(job.job_id)
        assert details.job.status == "running"
        return "has not answered" in (details.note or "")

    await until(is_stale, "that Slurm does not answer")
    killed, refused = await asyncio.gather(
        manager.kill(job.job_id, by="test"), start(manager, "true", on="slurm"), return_exceptions=True
    )
    assert not isinstance(killed, BaseException)
    assert killed.status == "killed"
    assert isinstance(refused, EngineUnreachableError)
    home.start_controller()
    await asyncio.to_thread(home.wait_for_nodes)
    after = await start(manager, "exec true", on="slurm")
    assert (await ended(manager, after)).status == "completed"
    assert sorted({one.status for one in await manager.list()}) == ["completed", "failed", "killed"]


async def test_a_job_whose_node_goes_off_is_lost_once_slurm_says_so(
    managers: Managers, home: Slurm, liveness: Liveness
) -> None:
    manager = managers()
    job = await start(manager, liveness.holder("there"), on="slurm")
    await asyncio.to_thread(liveness.expect, "there")
    step = psutil.Process(runner_of(manager, job)).parent()
    assert step
    assert step.name() == "slurmstepd"
    home.kill("n1")
    for process in [step, *step.children(recursive=True)]:
        process.kill()
    liveness.wait_dead("there")
    assert (await manager.find(job.job_id)).status == "running", "nobody knows yet"
    end = await ended(manager, job, NODE_DEAD_S + PATIENCE_S)
    assert end.status == "lost"
    assert "n1" in end.reason
