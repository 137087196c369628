"""What a job uses: sampled by its runner, kept as a curve, told in status and exit record."""

from __future__ import annotations

import itertools
import os
import select
import signal
import sys
import time

import pytest

from mcp_background_job.core.job import Job
from mcp_background_job.jobdir import control, usage
from mcp_background_job.jobdir.usage import Sample
from mcp_background_job.jobs.manager import JobManager
from tests.conftest import Liveness
from tests.patience import wait_until
from tests.survival.support import (
    directory_of,
    ended,
    exit_of,
    kill_and_wait,
    runner_of,
    start,
)

pytestmark = pytest.mark.real_process

_PYTHON = f"exec {sys.executable} -I -S -c"
_MIB = 1024 * 1024


def curve_of(state_dir: str, job_id: str) -> list[Sample]:
    return usage.read(directory_of(state_dir, job_id).usage)


def wait_for_samples(state_dir: str, job_id: str, count: int) -> list[Sample]:
    wait_until(lambda: len(curve_of(state_dir, job_id)) >= count, f"{count} samples of {job_id}")
    return curve_of(state_dir, job_id)


async def test_a_burner_is_seen_to_burn(manager: JobManager, state_dir: str) -> None:
    job = await start(manager, f"{_PYTHON} 'while True: pass'")
    first, *_, last = wait_for_samples(state_dir, job.job_id, 3)

    details = await manager.details(job.job_id)
    assert details.usage
    assert details.usage.sampled_at is None
    assert details.usage.cpu_s >= last.cpu_s > first.cpu_s > 0
    # On one core, and however busy the machine is.
    assert last.cpu_s - first.cpu_s <= last.elapsed_s - first.elapsed_s + 0.1
    assert abs(last.at - time.time()) < 60

    await manager.kill(job.job_id, by="test")
    record = exit_of(state_dir, job.job_id)
    assert record.user_s + record.system_s >= last.cpu_s - 0.02  # ticks are rounded


async def test_memory_of_known_size_is_the_peak_after_it_was_given_back(manager: JobManager, state_dir: str) -> None:
    script = """
import mmap, sys
block = mmap.mmap(-1, 80 << 20)
for place in range(0, 80 << 20, 4096): block[place] = 1
sys.stdin.readline()
block.close()
sys.stdin.readline()
"""
    job = await start(manager, f"{_PYTHON} '{script}'", stdin="pipe")
    wait_until(lambda: any(s.memory > 80 * _MIB for s in curve_of(state_dir, job.job_id)), "the memory is seen")
    await manager.send_input(job, b"\n")
    wait_until(lambda: curve_of(state_dir, job.job_id)[-1].memory < 60 * _MIB, "it is given back")

    details = await manager.details(job.job_id)
    assert details.usage
    assert details.usage.memory < 60 * _MIB
    assert 80 * _MIB < details.usage.peak_memory < 140 * _MIB
    await manager.send_input(job, b"\n")
    await ended(manager, job)
    assert 80 * _MIB < exit_of(state_dir, job.job_id).peak_memory < 140 * _MIB


async def test_the_peak_is_of_all_processes_together(manager: JobManager, state_dir: str, liveness: Liveness) -> None:
    body = f"block = bytearray({20 * _MIB})\nfor i in range(0, len(block), 4096): block[i] = 1\n"
    eater = liveness.script("eater", body + "connect('eater')\nhang()\n")
    job = await start(manager, " & ".join([eater] * 4) + " & wait")
    liveness.expect_many("eater", 4)
    count = len(curve_of(state_dir, job.job_id))
    newest = wait_for_samples(state_dir, job.job_id, count + 2)[-1]

    assert newest.processes == 5
    assert newest.memory > 4 * 20 * _MIB
    await manager.kill(job.job_id, by="test")
    record = exit_of(state_dir, job.job_id)
    assert record.peak_memory >= newest.memory > record.max_rss


async def test_a_job_that_is_over_before_the_first_look_has_its_peak_and_no_curve(
    manager: JobManager, state_dir: str
) -> None:
    job = await start(manager, f"{_PYTHON} 'block = b\"x\" * ({60 * _MIB})'")
    await ended(manager, job)
    record = exit_of(state_dir, job.job_id)
    if (record.duration_s or 0) < 0.9:
        assert curve_of(state_dir, job.job_id) == []
    assert record.peak_memory >= 60 * _MIB
    details = await manager.details(job.job_id)
    assert details.usage is None


async def test_cpu_and_bytes_of_short_lived_children_are_counted_and_never_go_back(
    manager: JobManager, state_dir: str
) -> None:
    burn = """
import time
end = time.process_time() + 0.15
while time.process_time() < end: pass
open("/dev/null", "wb").write(bytes(3000000))
"""
    # Some are collected by the shell, and some, whose parent has gone, by the runner.
    job = await start(
        manager,
        f"for i in 1 2 3 4 5; do {_PYTHON[5:]} '{burn}'; (setsid {_PYTHON[5:]} '{burn}' &); done; sleep 60",
    )
    wait_until(lambda: any(s.cpu_s >= 1.5 for s in curve_of(state_dir, job.job_id)), "all that was burnt is counted")
    wait_until(lambda: curve_of(state_dir, job.job_id)[-1].processes <= 2, "only sleep is left")
    samples = curve_of(state_dir, job.job_id)

    assert samples[-1].cpu_s >= 1.5
    seen = (await manager.details(job.job_id)).usage
    assert seen
    assert seen.cpu_s >= 1.5
    # A process that ends between two looks may take its last bytes with it.
    assert samples[-1].written_bytes >= 5 * 3_000_000
    for before, after in itertools.pairwise(samples):
        assert before.elapsed_s < after.elapsed_s
        assert before.cpu_s <= after.cpu_s
        assert before.peak_memory <= after.peak_memory
        assert before.written_bytes <= after.written_bytes
        assert before.read_bytes <= after.read_bytes
    await manager.kill(job.job_id, by="test")


async def test_bytes_and_output_are_counted(manager: JobManager, state_dir: str) -> None:
    job = await start(manager, "head -c 5000000 /dev/zero | cat; exec sleep 60")
    wait_until(
        lambda: any(s.output_bytes == 5_000_000 for s in curve_of(state_dir, job.job_id)), "the output is counted"
    )
    newest = curve_of(state_dir, job.job_id)[-1]
    # head and cat have read and written it; what the runner moved is not the job's.
    assert 10_000_000 <= newest.written_bytes < 11_000_000
    assert 10_000_000 <= newest.read_bytes < 11_000_000
    await manager.kill(job.job_id, by="test")


async def test_the_curve_of_an_ended_job_ends_with_what_it_used_in_all(manager: JobManager, state_dir: str) -> None:
    job = await start(manager, f"{_PYTHON} 'import sys; sys.stdin.readline()'", stdin="pipe")
    wait_for_samples(state_dir, job.job_id, 1)
    await manager.send_input(job, b"\n")
    await ended(manager, job)
    wait_until(lambda: curve_of(state_dir, job.job_id)[-1].processes == 0, "the last sample")
    record = exit_of(state_dir, job.job_id)
    last = curve_of(state_dir, job.job_id)[-1]
    assert last.cpu_s == pytest.approx(record.user_s + record.system_s, abs=0.02)


async def start_crowd(manager: JobManager, liveness: Liveness) -> Job:
    """Start a job of 60 processes, too many to be looked at by whoever asks."""
    crowd = liveness.script(
        "crowd", "connect('root')\nfor _ in range(59): fork_into(lambda: connect('crowd'))\nhang()\n"
    )
    job = await start(manager, f"exec {crowd}")
    liveness.expect_many("crowd", 59)
    return job


@pytest.mark.usefixtures("patient")
async def test_many_processes_are_told_by_number_and_the_first_by_command(
    manager: JobManager, liveness: Liveness
) -> None:
    job = await start_crowd(manager, liveness)

    details = await manager.details(job.job_id)
    assert details.usage
    assert details.usage.processes == 60
    assert len(details.usage.pids) == 60
    assert len(details.usage.commands) == 20
    assert all("crowd.py" in command for command in details.usage.commands.values())
    await manager.kill(job.job_id, by="test")


@pytest.mark.usefixtures("patient")
async def test_shared_pages_are_counted_once_on_request(
    manager: JobManager, state_dir: str, liveness: Liveness
) -> None:
    body = f"""
block = bytearray({40 * _MIB})
for i in range(0, len(block), 4096): block[i] = 1
connect("root")
for _ in range(3): fork_into(lambda: connect("sharer"))
hang()
"""
    job = await start(manager, f"exec {liveness.script('sharer', body)}")
    liveness.expect_many("sharer", 3)

    directory = directory_of(state_dir, job.job_id)
    answer = await control.usage(control.connected(directory), pss=True)
    assert answer
    assert answer["memory"] > 4 * 40 * _MIB
    assert 40 * _MIB < answer["pss"] < 2 * 40 * _MIB
    assert "pss" not in (await control.usage(control.connected(directory)) or {})
    await manager.kill(job.job_id, by="test")


async def test_what_a_job_uses_is_seen_although_its_runner_is_silent(manager: JobManager, state_dir: str) -> None:
    job = await start(manager, "exec sleep 60")
    runner = runner_of(state_dir, job.job_id)
    os.kill(runner, signal.SIGSTOP)
    try:
        details = await manager.details(job.job_id)
        assert details.usage
        assert details.usage.sampled_at is None
        assert details.usage.processes == len(details.usage.pids) == 1
        assert details.usage.peak_memory >= details.usage.memory > 0
    finally:
        os.kill(runner, signal.SIGCONT)
    await manager.kill(job.job_id, by="test")


async def test_a_silent_runner_of_many_processes_leaves_its_newest_sample(
    manager: JobManager, state_dir: str, liveness: Liveness
) -> None:
    job = await start_crowd(manager, liveness)
    path = directory_of(state_dir, job.job_id).usage
    wait_until(lambda: (last := usage.newest(path)) is not None and last.processes == 60, "all are sampled")
    runner = runner_of(state_dir, job.job_id)
    os.kill(runner, signal.SIGSTOP)
    try:
        newest = usage.newest(path)
        assert newest
        details = await manager.details(job.job_id)
        assert details.usage
        assert details.usage.sampled_at == newest.at
        assert details.usage.memory == newest.memory
    finally:
        os.kill(runner, signal.SIGCONT)
    await manager.kill(job.job_id, by="test")


async def test_a_killed_runner_leaves_a_curve_that_can_be_read(manager: JobManager, state_dir: str) -> None:
    job = await start(manager, "sleep 60")
    before = wait_for_samples(state_dir, job.job_id, 2)
    kill_and_wait(runner_of(state_dir, job.job_id))

    assert curve_of(state_dir, job.job_id)[: len(before) - 1] == before[:-1]
    assert (await ended(manager, job)).outcome == "lost"
    assert curve_of(state_dir, job.job_id)[: len(before) - 1] == before[:-1]
    await manager.kill(job.job_id, by="test")


@pytest.mark.parametrize("forgery", ["rm -rf usage.bin; mkfifo usage.bin", "rm usage.bin; ln -s /dev/zero usage.bin"])
async def test_a_job_that_replaces_its_curve_hurts_nobody(manager: JobManager, state_dir: str, forgery: str) -> None:
    job = await start(manager, "read line; exec sleep 60", stdin="pipe")
    wait_for_samples(state_dir, job.job_id, 1)
    directory = directory_of(state_dir, job.job_id).path
    forger = await start(manager, f"cd {directory} && {forgery}")
    assert (await ended(manager, forger)).outcome == "completed"

    assert curve_of(state_dir, job.job_id) == []
    runner = runner_of(state_dir, job.job_id)
    os.kill(runner, signal.SIGSTOP)
    try:
        details = await manager.details(job.job_id)
        assert details.job.status == "running"
        assert details.usage
        assert details.usage.peak_memory == details.usage.memory
    finally:
        os.kill(runner, signal.SIGCONT)
    select.select([], [], [], 1.1)  # one more sample is due, which must not end the runner
    assert (await manager.kill(job.job_id, by="test")).status == "killed"
