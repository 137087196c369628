"""A full disk stops no job and hides no loss; and what cannot be started there leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from mcp_background_job.errors import BackgroundJobError
from mcp_background_job.jobs.manager import JobManager
from tests.patience import WAIT_S
from tests.survival.support import Server, another_manager, ended, exit_of, output_of, start

pytestmark = pytest.mark.real_process

_MB = 2**20
_DISK = 4 * _MB


@pytest.fixture
def small_disk(state_dir: str) -> Generator[str]:
    """A state directory on a disk of 4 MB."""
    os.makedirs(state_dir)
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", f"size={_DISK},mode=0700", "tmpfs", state_dir],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield state_dir
    finally:
        # Lazily: should a process of a failed test hold a file there, the leak check still finds and names it.
        subprocess.run(["/bin/umount", "-l", state_dir], check=True)


def _fill(directory: str, leave: int = 0) -> str:
    """Fill the disk but for some bytes; returns the file that does it."""
    path = f"{directory}/ballast"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for size in (65536, 4096):
            try:
                while True:
                    os.write(descriptor, bytes(size))
            except OSError:
                continue
        if leave:
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - leave)
    finally:
        os.close(descriptor)
    return path


def _left_of_jobs(directory: str) -> list[str]:
    found: list[str] = []
    for name in ("jobs", "open", "queue"):
        found += [f"{name}/{entry}" for entry in os.listdir(f"{directory}/{name}")]
    return found


@pytest.mark.requirement("disk_full.running")
@pytest.mark.parametrize("code", [0, 5])
async def test_a_job_that_outgrows_the_disk_runs_to_its_end_and_its_loss_is_counted(
    small_disk: str, tmp_path: Path, code: int
) -> None:
    script = tmp_path / "job.py"
    script.write_text(
        "import os, sys\n"
        f"for i in range({3 * _DISK // 65536}): os.write(1, bytes([65 + i % 26]) * 65536)\n"
        f"os.write(1, b'the end')\nopen({str(tmp_path / 'proof')!r}, 'w').write('ran')\nsys.exit({code})\n"
    )
    with another_manager(small_disk) as manager:
        job = await ended(manager, await start(manager, f"{sys.executable} -I -S {script}"))

        assert (tmp_path / "proof").read_text() == "ran"
        assert job.exit_code == code
        record = exit_of(small_disk, job.job_id)
        assert record.lost_bytes > 0
        assert record.output_bytes + record.lost_bytes == 3 * _DISK + len("the end")
        kept = output_of(manager, job.job_id)
        assert len(kept) == record.output_bytes - record.dropped_bytes
        details = await manager.details(job.job_id)
        assert details.seen.exit == record


@pytest.mark.requirement("disk_full.running")
async def test_a_job_that_is_running_when_the_disk_fills_up_leaves_an_exit_record_and_can_be_killed(
    small_disk: str,
) -> None:
    with another_manager(small_disk) as manager:
        reading = await start(manager, "read line; echo $line; exit 9", stdin="pipe")
        hanging = await start(manager, "read line", stdin="pipe")
        ballast = await asyncio.to_thread(_fill, small_disk)

        await manager.send_input(reading, b"lost\n")
        job = await ended(manager, reading)
        assert (job.status, job.exit_code) == ("failed", 9)
        assert exit_of(small_disk, job.job_id).lost_bytes == len("lost\n")
        assert (await manager.kill(hanging.job_id, by="test")).status == "killed"

        os.unlink(ballast)
        again = await ended(manager, await start(manager, "echo there is room again"))
        assert again.status == "completed"


@pytest.mark.requirement("disk_full.start")
@pytest.mark.parametrize("leave", [0, 4096, 8192, 12288, 16384, 20480, 24576])
async def test_a_start_on_a_full_disk_is_a_clear_error_and_leaves_nothing_that_runs_later(
    small_disk: str, tmp_path: Path, leave: int
) -> None:
    with another_manager(small_disk) as manager:
        ballast = await asyncio.to_thread(_fill, small_disk, leave)
        before = _left_of_jobs(small_disk)
        proof = tmp_path / "proof"
        try:
            job = await start(manager, f"echo ran >> {proof}")
        except BackgroundJobError as error:
            assert "No space left" in str(error)  # noqa: PT017  with enough room it starts, and that is right too
            os.unlink(ballast)
            await _nothing_is_started(manager, proof)
            refused = [each for each in await manager.list() if each.command != "true"]
            assert [each.status for each in refused] in ([], ["failed"])
            await manager.prune(older_than_s=-10)
            assert _left_of_jobs(small_disk) == before
        else:
            assert leave > 0
            assert (await ended(manager, job)).status == "completed"
            assert proof.read_text() == "ran\n"


async def _nothing_is_started(manager: JobManager, proof: Path) -> None:
    await manager.recover()
    assert (await ended(manager, await start(manager, "true"))).status == "completed"
    await manager.places.serve()
    assert not os.path.exists(proof)  # noqa: ASYNC240  a look


@pytest.mark.requirement("disk_full.start")
def test_a_server_on_a_full_disk_answers_with_a_sentence_and_goes_on(small_disk: str) -> None:
    with Server() as server:
        assert server.call("execute_command", command="echo before", wait_s=WAIT_S)["status"] == "completed"
        ballast = _fill(small_disk)
        assert "No space left" in server.error("execute_command", command="echo full")
        assert [row["status"] for row in server.call("list_jobs")["jobs"]] == ["completed"]
        os.unlink(ballast)
        assert server.call("execute_command", command="echo after", wait_s=WAIT_S)["output"].strip() == "after"
