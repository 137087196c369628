"""A wait for a URL ends with an answer that is no error."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator

import pytest

from mcp_background_job.core.job import Job
from mcp_background_job.core.waiting import Kind, Until, Why, parse_until
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import StartRequest
from mcp_background_job.jobs.waiting.wait import WaitRequest
from tests.patience import WAIT_S

#: A wait that is to time out: long enough for a question and its answer.
SHORT_S = 1.0


@contextlib.asynccontextmanager
async def serving(*statuses: int, host: str = "127.0.0.1") -> AsyncGenerator[str]:
    """Answer with one status after another, and then with the last again; none at all: never answer."""
    left = list(statuses)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if left:
            status = left.pop(0) if len(left) > 1 else left[0]
            head = f"HTTP/1.1 {status} Whatever\r\nLocation: /again\r\nContent-Length: 100\r\n\r\n"
            writer.write(head.encode())  # the rest of it never comes
        else:
            await reader.read()
        writer.close()

    async with await asyncio.start_server(answer, host, 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://{f'[{host}]' if ':' in host else host}:{port}/health?a=b"


async def started(manager: JobManager) -> Job:
    return (await manager.start(StartRequest(command="obeys", stdin="pipe"))).job


async def wait(manager: JobManager, job: Job, url: str, wait_s: float = WAIT_S) -> tuple[Why | None, str]:
    waited = await manager.wait(job, WaitRequest(until=parse_until(url), wait_s=wait_s))
    return waited.why, waited.hint or ""


@pytest.mark.parametrize(
    ("statuses", "host"),
    [((200,), "127.0.0.1"), ((302,), "127.0.0.5"), ((503, 404, 204), "127.0.0.1"), ((399,), "::1")],
)
async def test_an_answer_below_400_ends_the_wait(
    memory_manager: JobManager, statuses: tuple[int, ...], host: str
) -> None:
    job = await started(memory_manager)
    async with serving(*statuses, host=host) as url:
        assert await wait(memory_manager, job, url) == (Why.HTTP, "")


async def test_a_proxy_is_not_asked_for_this_machine(
    memory_manager: JobManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    job = await started(memory_manager)
    async with serving(200) as url:
        assert (await wait(memory_manager, job, url))[0] is Why.HTTP


async def test_what_came_instead_of_an_answer_is_said(memory_manager: JobManager) -> None:
    job = await started(memory_manager)
    async with serving(500) as url:
        assert await wait(memory_manager, job, url, SHORT_S) == (Why.TIMEOUT, f"{url}: it answers 500")
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        why, hint = await wait(memory_manager, job, url, SHORT_S)
    assert why is Why.TIMEOUT
    assert hint.startswith(f"{url}: ")
    assert len(hint) > len(f"{url}: ")


async def test_a_server_that_never_answers_hides_no_end_of_the_job(memory_manager: JobManager) -> None:
    job = await started(memory_manager)
    async with serving() as url:
        waiting = asyncio.create_task(wait(memory_manager, job, url))
        await asyncio.sleep(0.01)
        await memory_manager.send_input(job, b"exit 1\n")
        assert (await waiting)[0] is Why.EXIT


async def test_a_url_that_cannot_be_asked_is_refused(memory_manager: JobManager) -> None:
    job = await started(memory_manager)
    request = WaitRequest(until=Until(Kind.HTTP, url="http://\x00"), wait_s=SHORT_S)
    with pytest.raises(InvalidRequestError):
        await memory_manager.wait(job, request)
