"""A wait for a URL ends with an answer that is no error, and on this machine only with one of the job."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from urllib.parse import urlsplit

import pytest

from mcp_background_job.core.job import Job
from mcp_background_job.core.waiting import Kind, Until, Why, parse_until
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import StartRequest
from mcp_background_job.jobs.waiting.here import addresses_here
from mcp_background_job.jobs.waiting.wait import WaitRequest
from tests.patience import WAIT_S
from tests.places.memory import MemoryPlace

#: A wait that is to time out: long enough for a question and its answer.
SHORT_S = 5.0


@contextlib.asynccontextmanager
async def serving(*statuses: int, host: str = "127.0.0.1") -> AsyncGenerator[str]:
    """Answer with one status after another, and then with the last again; none at all: never answer."""
    left = list(statuses)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Whoever asks may hang up before it has, and the test may be over before it does.
        with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            if left:
                status = left.pop(0) if len(left) > 1 else left[0]
                head = f"HTTP/1.1 {status} Whatever\r\nLocation: /again\r\nContent-Length: 100\r\n\r\n"
                writer.write(head.encode())  # the rest of it never comes
            else:
                await reader.read()

    async with await asyncio.start_server(answer, host, 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://{f'[{host}]' if ':' in host else host}:{port}/health?a=b"


def port_of(url: str) -> int:
    return urlsplit(url).port or 0


async def started(manager: JobManager, place: MemoryPlace, url: str = "") -> Job:
    """Start a job; the port of the URL is then its own."""
    job = (await manager.start(StartRequest(command="obeys", stdin="pipe"))).job
    if url:
        place.open_ports[port_of(url)] = job.job_id
    return job


async def wait(manager: JobManager, job: Job, url: str, wait_s: float = WAIT_S) -> tuple[Why | None, str]:
    waited = await manager.wait(job, WaitRequest(until=parse_until(url), wait_s=wait_s))
    return waited.why, waited.hint or ""


@pytest.mark.parametrize(
    ("statuses", "host"),
    [((200,), "127.0.0.1"), ((302,), "127.0.0.5"), ((503, 404, 204), "127.0.0.1"), ((399,), "::1")],
)
async def test_an_answer_below_400_ends_the_wait(
    memory_manager: JobManager, memory_place: MemoryPlace, statuses: tuple[int, ...], host: str
) -> None:
    async with serving(*statuses, host=host) as url:
        job = await started(memory_manager, memory_place, url)
        assert await wait(memory_manager, job, url) == (Why.HTTP, "")


async def test_a_proxy_is_not_asked_for_this_machine(
    memory_manager: JobManager, memory_place: MemoryPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with serving(200) as url:
        job = await started(memory_manager, memory_place, url)
        for host in ("127.0.0.1", "someone:secret@127.1", "LocalHost", "[::ffff:127.0.0.1]"):
            assert (await wait(memory_manager, job, f"http://{host}:{port_of(url)}"))[0] is Why.HTTP


async def test_a_proxy_is_asked_for_other_machines_whose_answers_count_whoever_listens(
    memory_manager: JobManager, memory_place: MemoryPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await started(memory_manager, memory_place)
    async with serving(200) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.setenv("NO_PROXY", "")
        assert await wait(memory_manager, job, "http://198.51.100.7/") == (Why.HTTP, "")


@pytest.mark.parametrize("status", [307, 404])
async def test_an_answer_of_somebody_else_on_this_machine_does_not_count(
    memory_manager: JobManager, memory_place: MemoryPlace, status: int
) -> None:
    job = await started(memory_manager, memory_place)
    async with serving(status) as url:
        why, hint = await wait(memory_manager, job, url, SHORT_S)
        assert why is Why.TIMEOUT
        assert hint.startswith(f"{url}: it answers {status}, but not from this job: ")


async def test_an_answer_at_another_address_than_the_job_listens_at_does_not_count(
    memory_manager: JobManager, memory_place: MemoryPlace
) -> None:
    job = await started(memory_manager, memory_place)
    async with serving(200, host="127.0.0.5") as url:
        memory_place.open_ports[port_of(url), "::1"] = job.job_id
        assert (await wait(memory_manager, job, url, SHORT_S))[0] is Why.TIMEOUT
        memory_place.open_ports[port_of(url), "127.0.0.5"] = job.job_id
        assert (await wait(memory_manager, job, url))[0] is Why.HTTP


async def test_a_job_that_begins_to_listen_after_the_answer_of_another_has_not_given_it(
    memory_manager: JobManager, memory_place: MemoryPlace
) -> None:
    job = await started(memory_manager, memory_place)
    answered = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        memory_place.open_ports[port] = job.job_id  # and the question was somebody else's
        server.close()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()
        answered.set()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        waited = await wait(memory_manager, job, f"http://127.0.0.1:{port}", SHORT_S)
    assert answered.is_set()
    assert waited[0] is Why.TIMEOUT


def addresses_of_this_machine() -> list[str]:
    """Return an address of its network, if it has one."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("198.51.100.1", 9))
        return [probe.getsockname()[0]]
    return []


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.8.9.10", "127.1", "2130706433", "0.0.0.0", "::", "::1", "::ffff:127.0.0.9"),  # noqa: S104
        *("localhost", "LOCALHOST.", "app.localhost", *addresses_of_this_machine()),
    ],
)
def test_what_is_of_this_machine(host: str) -> None:
    assert addresses_here(host)


@pytest.mark.parametrize("host", ["198.51.100.7", "2001:db8::7", "::ffff:198.51.100.7", "a..b", "x" * 99])
def test_what_is_not(host: str) -> None:
    assert not addresses_here(host)


def test_a_name_that_nobody_knows_is_of_no_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_arguments: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert not addresses_here("registry.corp")


async def test_what_came_instead_of_an_answer_is_said(memory_manager: JobManager, memory_place: MemoryPlace) -> None:
    async with serving(500) as url:
        job = await started(memory_manager, memory_place, url)
        assert await wait(memory_manager, job, url, SHORT_S) == (Why.TIMEOUT, f"{url}: it answers 500")
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        why, hint = await wait(memory_manager, job, url, SHORT_S)
    assert why is Why.TIMEOUT
    assert hint.startswith(f"{url}: ")
    assert len(hint) > len(f"{url}: ")


async def test_a_server_that_never_answers_hides_no_end_of_the_job(
    memory_manager: JobManager, memory_place: MemoryPlace
) -> None:
    job = await started(memory_manager, memory_place)
    async with serving() as url:
        waiting = asyncio.create_task(wait(memory_manager, job, url))
        await asyncio.sleep(0.01)
        await memory_manager.send_input(job, b"exit 1\n")
        assert (await waiting)[0] is Why.EXIT


async def test_a_url_that_cannot_be_asked_is_refused(memory_manager: JobManager, memory_place: MemoryPlace) -> None:
    job = await started(memory_manager, memory_place)
    request = WaitRequest(until=Until(Kind.HTTP, url="http://\x00"), wait_s=SHORT_S)
    with pytest.raises(InvalidRequestError):
        await memory_manager.wait(job, request)
