"""Names, directories and wishes that users really have, and that Slurm takes in its own way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mcp_background_job.errors import EngineUnreachableError, InvalidRequestError
from tests.cluster.conftest import Managers
from tests.cluster.slurm import Cluster
from tests.survival.support import ended, output_of, start

pytestmark = [pytest.mark.cluster, pytest.mark.real_process]


@pytest.mark.parametrize("name", ["a 'quoted\" %j $(id) one", "two\nlines", os.fsdecode(b"no utf-8 \xff")])
async def test_a_job_runs_whatever_the_shared_and_the_working_directory_are_called(
    managers: Managers, tmp_path: Path, name: str
) -> None:
    cwd = tmp_path / name
    cwd.mkdir()
    manager = managers(slurm_dir=str(tmp_path / f"root {name}"))
    job = await start(manager, "pwd; exit 4", cwd=str(cwd), on="slurm")
    end = await ended(manager, job)
    assert (end.status, end.exit_code) == ("failed", 4)
    assert output_of(manager, job.job_id) == os.fsencode(cwd) + b"\n"


async def test_a_shared_directory_that_slurm_cannot_write_to_is_refused_before_anything_is_submitted(
    managers: Managers, tmp_path: Path
) -> None:
    manager = managers(slurm_dir=str(tmp_path / "back\\slash"))
    with pytest.raises(InvalidRequestError, match="set MCP_BG_SLURM_DIR to another directory"):
        await start(manager, "true", on="slurm")
    assert await manager.list() == []


async def test_what_a_user_wishes_of_submissions_makes_no_array_and_is_not_waited_for(
    managers: Managers, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SBATCH_ARRAY_INX", "1-3")
    monkeypatch.setenv("SBATCH_WAIT", "1")
    manager = managers()
    job = await start(manager, "read word", stdin="pipe", on="slurm")
    assert cluster.native_id_of(job.job_id).isdecimal()
    await manager.kill(job.job_id, by="test")


async def test_files_that_a_user_has_set_for_submissions_of_his_own_keep_no_job_from_starting(
    managers: Managers, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("SBATCH_INPUT", "SBATCH_ERROR", "SBATCH_OUTPUT"):
        monkeypatch.setenv(variable, "/nowhere/%j")
    manager = managers()
    job = await start(manager, "echo ran", on="slurm")
    assert (await ended(manager, job)).status == "completed"


async def test_a_job_has_the_time_that_slurm_reads_in_what_was_asked_for(managers: Managers, cluster: Cluster) -> None:
    manager = managers()
    job = await start(manager, "read word", stdin="pipe", on="slurm time=1-12:30")
    native_id = cluster.native_id_of(job.job_id)
    assert cluster.run("squeue", "-h", "-j", native_id, "-o", "%l") == "1-12:30:00"
    await manager.kill(job.job_id, by="test")


async def test_a_cluster_that_is_not_where_slurm_conf_says_is_told_with_its_cure(
    managers: Managers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    manager = managers()
    with pytest.raises(EngineUnreachableError, match=r"set SLURM_CONF to the slurm\.conf of the cluster"):
        await start(manager, "true", on="slurm")
    (job,) = await manager.list()
    assert (job.status, job.reason.startswith("not started: SLURM_CONF is ")) == ("failed", True)
