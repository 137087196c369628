"""Jobs on a cluster are jobs: the same tools, the same truth, also when its controller is gone."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from fastmcp import Client

from mcp_background_job.config import load_settings
from mcp_background_job.core.job import Job
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.server.build import build_server
from tests.cluster.slurm import Cluster
from tests.patience import PATIENCE_S, WAIT_S, until
from tests.releases.conftest import release_1
from tests.server.calls import Caller
from tests.survival.support import ended, output_of, printed, start

#: A fixture of another folder.
__all__ = ["release_1"]

pytestmark = [pytest.mark.cluster, pytest.mark.real_process]

#: The one GPU of one node: whoever comes second waits.
_ALONE = "slurm gpus=1 constraint=n1"


@pytest.fixture
async def client(manager: JobManager) -> AsyncGenerator[Caller]:
    async with Client(build_server(manager, load_settings())) as client:
        yield Caller(client)


async def test_all_tools_for_jobs_work_on_a_cluster(client: Caller, cluster: Cluster) -> None:
    program = r"printf 'gpu %s\n\377\n' $CUDA_VISIBLE_DEVICES; read word; echo heard $word; exit 9"
    began = await client.facts(
        "execute_command", command=program, name="work", on="slurm gpus=1 time=10m", stdin="pipe", wait_s=0
    )
    assert (await client.facts("wait_for_job", job_id="work", until="gpu 0", wait_s=WAIT_S))["why"] == "matched"
    status = await client.facts("get_job_status", job_id="work")
    native_id = cluster.native_id_of(began["job_id"])
    assert status["engine"].startswith(f"Slurm {native_id} on n")
    assert status["engine"].endswith(", 1 GPU")
    assert status["status"] == "running"
    assert "gpu 0" in await client.text("tail_job_output", job_id="work")
    (row,) = (await client.facts("list_jobs"))["jobs"]
    assert row["engine"] == status["engine"]
    await client.text("interact_with_job", job_id="work", input="hello", wait_s=WAIT_S)
    ended = await client.facts("wait_for_job", job_id="work", wait_s=WAIT_S)
    assert (ended["status"], ended["exit_code"]) == ("failed", 9)
    assert "heard hello" in await client.text("get_job_output", job_id="work")
    again = await client.facts("restart_job", job_id="work", wait_s=0)
    assert (await client.facts("wait_for_job", job_id="work", until="gpu 0", wait_s=WAIT_S))["why"] == "matched"
    assert (await client.facts("get_job_status", job_id="work"))["engine"].endswith(", 1 GPU")
    assert (await client.facts("kill_job", job_id="work"))["status"] == "killed"
    assert again["job_id"] != began["job_id"]


async def test_what_the_command_wrote_is_kept_byte_by_byte(manager: JobManager) -> None:
    job = await start(manager, r"printf '\000\377\n'; exit 3", on="slurm")
    end = await ended(manager, job)
    assert (end.status, end.exit_code) == ("failed", 3)
    assert output_of(manager, job.job_id) == b"\0\xff\n"


async def _pending(manager: JobManager, cluster: Cluster, made: Path, on: str) -> tuple[Job, Job]:
    """Start a job that holds what the next one waits for."""
    first = await start(manager, "echo up; sleep 1000", on=on)
    await printed(manager, first, "up")
    second = await start(manager, f"touch {made}", on=on)
    native_id = cluster.native_id_of(second.job_id)
    await asyncio.to_thread(cluster.wait_for_state, native_id, "PENDING")
    return first, second


async def test_a_job_that_pends_says_why_and_never_runs_once_it_is_killed(
    manager: JobManager, cluster: Cluster, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    first, second = await _pending(manager, cluster, made, _ALONE)

    async def says_why() -> bool:
        note = (await manager.details(second.job_id)).note or ""
        return "waits in Slurm: " in note and "(Resources)" in note

    await until(says_why, "why it waits")
    assert (await manager.kill(second.job_id, by="test")).status == "killed"
    native_id = cluster.native_id_of(second.job_id)
    await asyncio.to_thread(cluster.wait_for_state, native_id, "CANCELLED")
    await manager.kill(first.job_id, by="test")
    after = await start(manager, "echo after", on=_ALONE)
    assert (await ended(manager, after)).status == "completed"
    assert not _is_there(made)


async def test_release_1_0_0_beside_it_runs_no_job_that_pends(
    manager: JobManager, cluster: Cluster, tmp_path: Path, state_dir: str, release_1: Path
) -> None:
    made = tmp_path / "made"
    first, second = await _pending(manager, cluster, made, "slurm gpus=1 partition=apart")
    listed = await asyncio.to_thread(_older, release_1, state_dir, "list")
    assert (listed.returncode, first.job_id in listed.stdout) == (0, False), listed.stderr
    assert (await asyncio.to_thread(_older, release_1, state_dir, "status", second.job_id)).returncode != 0
    assert (await manager.find(second.job_id)).status == "queued"
    assert not _is_there(made)
    for job in (second, first):
        await manager.kill(job.job_id, by="test")


def _is_there(path: Path) -> bool:
    return path.exists()


def _older(tree: Path, state_dir: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of release 1.0.0; it loads no more of that than it needs, which takes a while to compile."""
    path = os.pathsep.join(filter(None, (str(tree), os.environ.get("PYTHONPATH"))))
    return subprocess.run(
        [sys.executable, "-P", "-m", "mcp_background_job", *words],
        env={**os.environ, "PYTHONPATH": path, "MCP_BG_STATE_DIR": state_dir},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
