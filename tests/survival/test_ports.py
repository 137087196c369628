"""``until="port:N"`` and URLs of this machine: a listener of the job counts; one of anybody else never does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Generator

import pytest

from mcp_background_job.core.job import Job
from mcp_background_job.core.waiting import Kind, Until
from mcp_background_job.jobdir import control
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.waiting.wait import Waited, WaitRequest
from tests.patience import WAIT_S
from tests.survival.support import directory_of, runner_of, start

pytestmark = pytest.mark.real_process

#: Long enough for several looks at the port.
_A_WHILE_S = 1.0

_LISTEN = """
import os, socket, sys, time
family, address, port, how = sys.argv[1:]
if how == "child" and os.fork():
    time.sleep(100)
if how == "orphan" and os.fork():
    os._exit(0)
if how == "orphan":
    os.setsid()
server = socket.socket(getattr(socket, family))
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
try:
    server.bind((address, int(port)))
    server.listen()
except OSError as error:
    print("refused", error.errno, flush=True)
    time.sleep(100)
print("listening", flush=True)
time.sleep(100)
"""


def listener(family: str, address: str, port: int, how: str = "itself") -> str:
    return f"exec {sys.executable} -I -S -c '{_LISTEN}' {family} {address} {port} {how}"


@pytest.fixture
def port() -> Generator[int]:
    """A port that nobody else gets while the test runs: it is bound, and not listened on, at an address of its own."""
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.99", 0))
        yield reserved.getsockname()[1]


async def wait_for_port(manager: JobManager, job: Job, port: int, wait_s: float = WAIT_S) -> Waited:
    return await manager.wait(job, WaitRequest(until=Until(Kind.PORT, port=port), wait_s=wait_s))


@pytest.mark.parametrize(
    ("family", "address", "how"),
    [
        ("AF_INET", "127.0.0.1", "itself"),
        ("AF_INET", "127.0.0.5", "itself"),
        ("AF_INET6", "::1", "itself"),
        ("AF_INET6", "::", "child"),
        ("AF_INET", "0.0.0.0", "child"),  # noqa: S104  for a moment, and what it accepts it leaves alone
        ("AF_INET", "127.0.0.1", "orphan"),
    ],
)
async def test_a_listener_of_the_job_counts_on_any_address(
    manager: JobManager, port: int, family: str, address: str, how: str
) -> None:
    job = await start(manager, listener(family, address, port, how) + " & sleep 100")
    waited = await wait_for_port(manager, job, port)
    assert waited.why == "port"
    details = await manager.details(job.job_id)
    assert details.usage
    assert details.usage.ports == [port]
    await manager.kill(job.job_id, by="test")


@pytest.mark.parametrize("until", ["port", "http"])
async def test_the_server_that_a_command_has_left_behind_is_waited_for(
    manager: JobManager, port: int, until: str
) -> None:
    server = f"{sys.executable} -I -S -m http.server --bind 127.0.0.1 {port}"
    job = await start(manager, f"(read -r _; exec {server}) <&0 & echo started", stdin="pipe")
    meant = Until(Kind.PORT, port=port) if until == "port" else Until(Kind.HTTP, url=f"http://127.0.0.1:{port}/")
    waiting = asyncio.create_task(manager.wait(job, WaitRequest(until=meant, wait_s=WAIT_S)))
    await manager.wait(job, WaitRequest(until=Until(Kind.EXIT), wait_s=WAIT_S, from_start=True))  # its shell is over
    await manager.send_input(job, b"go\n")

    assert (await waiting).why == until

    await manager.kill(job.job_id, by="test")


@pytest.mark.usefixtures("patient")
async def test_a_stranger_at_another_address_of_the_port_does_not_count(
    manager: JobManager, state_dir: str, port: int
) -> None:
    job = await start(manager, listener("AF_INET6", "::1", port))
    await wait_for_port(manager, job, port)
    with socket.create_server(("127.0.0.1", port)):
        directory = directory_of(state_dir, job.job_id)
        assert not await control.listens_on(control.connected(directory), port, "127.0.0.1")
        assert await control.listens_on(control.connected(directory), port, "::1")
    await manager.kill(job.job_id, by="test")


async def test_of_two_starts_at_one_port_the_loser_is_not_told_that_it_is_open(manager: JobManager, port: int) -> None:
    first, second = [await start(manager, listener("AF_INET", "127.0.0.1", port)) for _ in range(2)]
    request = WaitRequest(until=Until(Kind.PORT, port=port), wait_s=WAIT_S)
    await manager.wait_for_several([(first, request), (second, request)], for_all=False)
    one, other = await asyncio.gather(
        wait_for_port(manager, first, port, _A_WHILE_S), wait_for_port(manager, second, port, _A_WHILE_S)
    )
    assert sorted([one.why or "", other.why or ""]) == ["port", "timeout"]
    loser = one if one.why == "timeout" else other
    assert loser.hint == f"port {port} is open, but not by this job"
    for job in (first, second):
        await manager.kill(job.job_id, by="test")


async def test_of_two_jobs_a_url_answers_for_the_one_that_serves_it(manager: JobManager, port: int) -> None:
    url = f"http://localhost:{port}/"
    other = await start(manager, "sleep 100")
    server = await start(manager, f"({sys.executable} -m http.server --bind 127.0.0.1 {port} &) ; sleep 100")
    until = Until(Kind.HTTP, url=url)
    assert (await manager.wait(server, WaitRequest(until=until, wait_s=WAIT_S))).why == "http"
    waited = await manager.wait(other, WaitRequest(until=until, wait_s=5 * _A_WHILE_S))
    assert waited.why == "timeout"
    assert waited.hint
    assert waited.hint.startswith(f"{url}: it answers 200, but not from this job: ")
    for job in (other, server):
        await manager.kill(job.job_id, by="test")


async def test_a_port_that_a_stranger_opens_later_does_not_count(manager: JobManager, port: int) -> None:
    job = await start(manager, "sleep 100")
    wait = asyncio.create_task(wait_for_port(manager, job, port, 2 * _A_WHILE_S))
    await asyncio.sleep(_A_WHILE_S / 2)
    with socket.create_server(("127.0.0.1", port)):
        assert (await wait).why == "timeout"
    await manager.kill(job.job_id, by="test")


async def test_a_connection_from_the_port_is_no_listener(manager: JobManager, port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        connect = "import socket, time; held = socket.create_connection(("
        connect += f'"127.0.0.1", {port})); time.sleep(100)'
        job = await start(manager, f"exec {sys.executable} -I -S -c '{connect}'")
        assert (await wait_for_port(manager, job, port, _A_WHILE_S)).why == "timeout"
        await manager.kill(job.job_id, by="test")


@pytest.mark.usefixtures("patient")
async def test_a_runner_answers_for_each_port_and_not_for_what_is_none(
    manager: JobManager, state_dir: str, port: int
) -> None:
    job = await start(manager, listener("AF_INET", "127.0.0.1", port))
    assert (await wait_for_port(manager, job, port)).why == "port"
    directory = directory_of(state_dir, job.job_id)
    assert await control.listens_on(control.connected(directory), port) is True
    assert await control.listens_on(control.connected(directory), port - 1 if port > 1 else 2) is False
    for nonsense in (0, -1, 65536, True, "80", None, 1e300, float("inf"), [port]):
        with pytest.raises(control.UnknownRequestError):
            await control.listens_on(control.connected(directory), nonsense)  # pyright: ignore[reportArgumentType]  what others may send
    assert await control.listens_on(control.connected(directory), port) is True
    await manager.kill(job.job_id, by="test")
    with contextlib.suppress(control.NoRunnerError):  # its socket may stand for a moment longer
        assert await control.listens_on(control.connected(directory), port) is False


async def test_a_runner_that_is_silent_opens_no_port(manager: JobManager, state_dir: str, port: int) -> None:
    job = await start(manager, listener("AF_INET", "127.0.0.1", port))
    assert (await wait_for_port(manager, job, port)).why == "port"
    runner = runner_of(state_dir, job.job_id)
    os.kill(runner, signal.SIGSTOP)
    try:
        assert (await wait_for_port(manager, job, port, _A_WHILE_S)).why == "timeout"
    finally:
        os.kill(runner, signal.SIGCONT)
    assert (await wait_for_port(manager, job, port)).why == "port"
    await manager.kill(job.job_id, by="test")
