"""A directory that node and login machine share as badly as they could: see ``tests.cluster.badfs``."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.cluster.conftest import Managers
from tests.cluster.slurm import Cluster
from tests.survival.support import ended, output_of, printed, start

pytestmark = [pytest.mark.cluster, pytest.mark.real_process]


@pytest.fixture
def badly_shared(cluster: Cluster) -> Generator[str]:
    if os.getuid() != 0:
        pytest.skip("who is not root can mount nothing")
    if not os.path.exists("/dev/fuse"):
        pytest.skip("this kernel has no FUSE")
    with cluster.badly_shared() as path:
        yield path


async def test_a_job_whose_files_show_late_is_never_lost_and_its_end_is_seen_at_once(
    managers: Managers, badly_shared: str
) -> None:
    manager = managers(slurm_dir=badly_shared)
    job = await start(manager, "echo up; read a; echo got $a; exit 3", stdin="pipe", on="slurm partition=apart")
    directory = Path(manager.places.store_of(job.job_id).log_path(job.job_id)).parent
    assert directory.is_relative_to(badly_shared)
    await printed(manager, job, "up")
    assert (await manager.find(job.job_id)).status == "running"
    end = asyncio.ensure_future(ended(manager, job))
    await manager.send_input(job, b"one\n")
    assert ((await end).status, (await end).exit_code) == ("failed", 3)
    assert output_of(manager, job.job_id) == b"up\ngot one\n"
