"""A server may die at any moment: its jobs go on, and any later server knows all of their output and how they ended."""

from __future__ import annotations

import asyncio
import os
import random
import select
import signal
from collections import Counter
from pathlib import Path

import psutil
import pytest

from mcp_background_job.executors.local import launcher
from mcp_background_job.executors.local.launcher import Launcher
from mcp_background_job.jobdir.runners import SPAWNER_NAME
from mcp_background_job.jobs.manager import JobManager
from tests.conftest import Liveness
from tests.patience import PATIENCE_S, WAIT_S, wait_until
from tests.survival.support import (
    Server,
    another_manager,
    ended,
    kill_and_wait,
    output_of,
    runner_of,
    start,
)

pytestmark = pytest.mark.real_process

#: The moments are random, and the same in every run.
SEED = 20261121

_JOBS_PER_KILL = 4
_KILLS_PER_TEST = 5

#: Half of the kills come while requests are being carried out, half while jobs print.
_DURING_REQUEST_S = 0.06
_WHILE_PRINTING_S = 0.5


class _Load:
    """Jobs that print numbered lines and leave one line in a file, so that a second run of one would be seen."""

    def __init__(self, directory: Path) -> None:
        self._effects = directory / "effects"
        self._effects.touch()

    def command(self, mark: str) -> str:
        number = int(mark[1:])
        pause = "" if number % _JOBS_PER_KILL == 0 else "if [ $((i % 20)) = 0 ]; then sleep 0.02; fi; "
        return (
            f"echo {mark} >> {self._effects}; i=0; "
            f"while [ $i -lt 400 ]; do echo {mark} line $i; {pause}i=$((i+1)); done; exit {number % 7}"
        )

    @staticmethod
    def expected(mark: str) -> tuple[int, bytes]:
        return int(mark[1:]) % 7, b"".join(f"{mark} line {i}\n".encode() for i in range(400))

    def effects(self) -> Counter[str]:
        return Counter(self._effects.read_text().split())


async def _assaulted(directory: Path, state_dir: str, kills: int, seed: int) -> None:
    generator = random.Random(seed)  # noqa: S311  not for secrets
    load = _Load(directory)
    answered: dict[str, str] = {}
    for kill in range(kills):
        server = Server(MCP_BG_MAX_JOBS="100")
        try:
            server.initialize()
            requests = {
                server.send_call(
                    "execute_command", command=load.command(mark), name=mark, wait_s=0.2 * (kill % 2)
                ): mark
                for mark in (f"m{kill * _JOBS_PER_KILL + i}" for i in range(_JOBS_PER_KILL))
            }
            longest = _DURING_REQUEST_S if kill % 2 else _WHILE_PRINTING_S
            select.select([], [], [], generator.random() * longest)  # the random moment
        finally:
            answers = server.kill_and_read()
        for number, answer in answers.items():
            if number in requests:
                answered[requests[number]] = answer["structuredContent"]["job_id"]
    with another_manager(state_dir, max_jobs=100) as manager:
        await manager.recover()
        jobs = await manager.list(limit=10 * kills * _JOBS_PER_KILL)
        for job in jobs:
            assert job.name
            now = await ended(manager, job)
            code, output = load.expected(job.name)
            assert (now.exit_code, now.status) == (code, "failed" if code else "completed"), now
            assert output_of(manager, job.job_id) == output
        assert load.effects() == Counter(job.name for job in jobs)  # each that is recorded ran, once; no other did
        assert answered.items() <= {(job.name, job.job_id) for job in jobs}


@pytest.mark.requirement("server.killed")
@pytest.mark.requirement("start.once")
@pytest.mark.parametrize("part", range(6))
async def test_whenever_the_server_is_killed_every_job_ran_once_and_every_byte_and_exit_code_is_there(
    tmp_path: Path, state_dir: str, part: int
) -> None:
    await _assaulted(tmp_path, state_dir, _KILLS_PER_TEST, SEED + part)


@pytest.mark.nightly
@pytest.mark.requirement("server.killed")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", range(20))
async def test_two_hundred_kills_of_the_server_lose_nothing(tmp_path: Path, state_dir: str, part: int) -> None:
    await _assaulted(tmp_path, state_dir, 10, SEED + 1000 + part)


@pytest.mark.requirement("server.outlived")
@pytest.mark.parametrize("way", ["stdin closed", "TERM to its group", "KILL to its group", "KILL to its tree"])
async def test_a_job_outlives_each_way_in_which_clients_end_servers(
    state_dir: str, liveness: Liveness, way: str
) -> None:
    server = Server()
    try:
        server.initialize()
        body = "connect('job')\nprint(sys.stdin.readline(), end='', flush=True)\nsys.exit(6)\n"
        job = server.call("execute_command", command=liveness.script("job", body), stdin="pipe", wait_s=0.1)
        liveness.expect("job")
        match way:
            case "TERM to its group":
                os.killpg(server.pid, signal.SIGTERM)
            case "KILL to its group":
                os.killpg(server.pid, signal.SIGKILL)
            case "KILL to its tree":
                root = psutil.Process(server.pid)
                for process in [*root.children(recursive=True), root]:
                    process.kill()
            case _:
                pass
    finally:
        server.close()

    with another_manager(state_dir) as manager:
        now = await manager.find(job["job_id"])
        assert now.status == "running"
        liveness.assert_alive("job")
        await manager.send_input(now, b"still here\n")
        assert (await ended(manager, now)).exit_code == 6
        assert output_of(manager, now.job_id) == b"still here\n"


@pytest.mark.requirement("server.any")
def test_a_second_server_sees_controls_and_ends_what_the_first_has_started(state_dir: str, liveness: Liveness) -> None:
    with Server() as first, Server() as second:
        job = first.call("execute_command", command=liveness.holder("job"), name="web", wait_s=0)
        liveness.expect("job")
        assert second.call("get_job_status", job_id="web")["status"] == "running"
        assert second.call("kill_job", job_id="web")["status"] == "killed"
        liveness.assert_dead("job")
        assert first.call("wait_for_job", job_id=job["job_id"])["status"] == "killed"
        assert [row["status"] for row in first.call("list_jobs")["jobs"]] == ["killed"]
    assert os.path.exists(state_dir)


@pytest.mark.requirement("server.ends")
def test_a_server_whose_stdin_is_closed_ends_at_once_although_a_call_waits(state_dir: str) -> None:
    server = Server()
    server.initialize()
    job = server.call("execute_command", command="read line", stdin="pipe", wait_s=0)
    server.send_call("wait_for_job", job_id=job["job_id"], wait_s=WAIT_S)
    server.close()  # fails if it takes longer than a client's patience
    with Server() as later:
        assert later.call("kill_job", job_id=job["job_id"])["status"] == "killed"
    assert os.path.isdir(state_dir)


@pytest.mark.usefixtures("runners_by_exec")
@pytest.mark.requirement("spawner.killed")
async def test_when_the_spawner_is_killed_jobs_run_on_and_new_ones_start(
    manager: JobManager, state_dir: str, liveness: Liveness
) -> None:
    before = await start(manager, liveness.holder("before"))
    liveness.expect("before")
    spawner = psutil.Process(runner_of(state_dir, before.job_id)).ppid()
    assert "--spawner" in psutil.Process(spawner).cmdline()

    kill_and_wait(spawner)

    for _ in range(4):
        job = await start(manager, "echo works")
        assert (await ended(manager, job)).status == "completed"
        assert output_of(manager, job.job_id) == b"works\n"
    liveness.assert_alive("before")
    assert (await manager.kill(before.job_id, by="test")).status == "killed"
    liveness.assert_dead("before")


@pytest.mark.usefixtures("runners_by_exec")
@pytest.mark.requirement("spawner.suspended")
@pytest.mark.requirement("start.once")
@pytest.mark.parametrize("way", ["at once", "from the queue"])
async def test_while_the_spawner_is_suspended_jobs_start_without_it_and_once(
    manager: JobManager, state_dir: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(launcher, "SPAWNER_TIMEOUT_S", 10 * PATIENCE_S)  # so it is noticed, and not waited out
    effects = tmp_path / "effects"
    effects.touch()
    first = await start(manager, f"read line; echo ran >> {effects}", stdin="pipe")
    spawner = psutil.Process(psutil.Process(runner_of(state_dir, first.job_id)).ppid())
    await manager.send_input(first, b"\n")
    await ended(manager, first)

    spawner.suspend()
    try:
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(3):  # the first may find the spare that is ready
                after = (first.job_id,) if way == "from the queue" else ()
                job = await start(manager, f"echo ran >> {effects}", after=after)
                assert (await ended(manager, job)).status == "completed"
    finally:
        spawner.resume()

    await asyncio.to_thread(spawner.wait, PATIENCE_S)  # it has carried out what it was asked for before, and ends
    assert effects.read_text() == 4 * "ran\n"


@pytest.mark.usefixtures("runners_by_exec")
@pytest.mark.requirement("spawner.killed")
@pytest.mark.parametrize("dies", ["the spare", "the spare and the spawner"])
async def test_a_start_that_a_dead_spare_has_taken_is_carried_out_without_it(
    manager: JobManager, state_dir: str, monkeypatch: pytest.MonkeyPatch, dies: str
) -> None:
    first = await start(manager, "read line", stdin="pipe")
    spawner = psutil.Process(psutil.Process(runner_of(state_dir, first.job_id)).ppid())
    await asyncio.to_thread(wait_until, lambda: bool(_spares_of(spawner)), "a spare")
    (spare,) = _spares_of(spawner)
    for process in (spawner, spare):
        process.suspend()
        await asyncio.to_thread(wait_until, lambda process=process: process.status() == "stopped", "a suspension")
    wait = Launcher._answer_of_forked

    async def answer(self: Launcher, read: int) -> bytes | None:
        kill_and_wait(spare.pid)
        if dies == "the spare":
            spawner.resume()
        else:
            kill_and_wait(spawner.pid)
        return await wait(self, read)

    monkeypatch.setattr(Launcher, "_answer_of_forked", answer)
    job = await start(manager, "echo works")

    assert (await ended(manager, job)).status == "completed"
    assert (await manager.kill(first.job_id, by="test")).status == "killed"


def _spares_of(spawner: psutil.Process) -> list[psutil.Process]:
    return [child for child in spawner.children() if child.name() == SPAWNER_NAME]


@pytest.mark.usefixtures("runners_by_exec")
@pytest.mark.requirement("spawner.killed")
def test_the_spawner_ends_with_its_server(state_dir: str) -> None:
    server = Server()
    server.initialize()
    job = server.call("execute_command", command="read line", stdin="pipe", wait_s=0.1)
    spawner = psutil.Process(psutil.Process(runner_of(state_dir, job["job_id"])).ppid())
    server.kill()
    spawner.wait(PATIENCE_S)
    with Server() as later:
        assert later.call("kill_job", job_id=job["job_id"])["status"] == "killed"
