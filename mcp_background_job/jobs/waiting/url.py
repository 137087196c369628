"""Asks a URL, again and again, whether it answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING

from mcp_background_job.core.text import one_line
from mcp_background_job.core.waiting import Until
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.executors import lanes
from mcp_background_job.jobs.waiting.here import addresses_here, normal

if TYPE_CHECKING:
    import httpx2

#: A server that is asked while it starts may hold the connection and never answer; then it is asked again.
_ANSWER_S = 5.0

#: Between two questions: nobody notices, and a server that logs each of them fills no log.
_TRY_AGAIN_S = 0.5

#: A status below this is an answer, redirections included.
_FIRST_ERROR = 400

_DEFAULT_PORTS = {"http": 80, "https": 443}

_MAX_SHOWN = 200

#: Tells whether the job that is waited for listens on a port at an IP address.
Listens = Callable[[int, str], Awaitable[bool]]


class Asked:
    """What a URL has answered.

    Attributes:
        is_answered: it has, and not with an error; on this machine: while the job listened.
        trouble: what came instead, the last time; ``None`` if nothing has come yet.
    """

    def __init__(self) -> None:
        """Nothing is known yet."""
        self.is_answered = False
        self.trouble: str | None = None

    async def ask(self, url: httpx2.URL, listens: Listens) -> None:
        """Ask until there is an answer. Of this, nothing but its status is looked at."""
        here = await lanes.lasting(addresses_here, url.host)
        port = url.port or _DEFAULT_PORTS[url.scheme]
        async with await lanes.scan(_client, through_proxy=not here) as client:
            while True:
                # Before the question: a job that begins to listen after somebody else's answer has not given it.
                own = [address for address in here if await listens(port, address)]
                answer, by = await _answer(client, url)
                self.trouble = _trouble(answer, port, counts=not here or by in own)
                if self.trouble is None:
                    self.is_answered = True
                    return
                await asyncio.sleep(_TRY_AGAIN_S)


async def _answer(client: httpx2.AsyncClient, url: httpx2.URL) -> tuple[int | str, str]:
    """Ask once; returns the status of the answer and the address that gave it, or in words what came instead."""
    import httpx2  # noqa: PLC0415  it is loaded: there is a client

    try:
        async with asyncio.timeout(_ANSWER_S), client.stream("GET", url) as response:
            by, *_ = response.extensions["network_stream"].get_extra_info("server_addr")
            return response.status_code, normal(by)
    except TimeoutError:
        return f"no answer within {_ANSWER_S:g} s", ""
    except (httpx2.HTTPError, OSError) as error:
        return one_line(str(error) or type(error).__name__, _MAX_SHOWN), ""


def _trouble(answer: int | str, port: int, *, counts: bool) -> str | None:
    """Return what an answer lacks, in words; ``None`` if it is one that was waited for."""
    if isinstance(answer, str):
        return answer
    if not counts:
        return (
            f"it answers {answer}, but not from this job: none of its processes listens on port {port} there (what a "
            "service opens for it, as docker does for a container, is not the job's: wait for its output instead)"
        )
    return f"it answers {answer}" if answer >= _FIRST_ERROR else None


@contextlib.asynccontextmanager
async def asking(until: Until, listens: Listens) -> AsyncGenerator[Asked]:
    """Ask meanwhile, if there is a URL to be asked; an answer of this machine counts if the job listens on its port.

    Raises:
        InvalidRequestError: the URL cannot be asked.
    """
    asked = Asked()
    if not until.url:
        yield asked
        return
    url = await lanes.scan(_url, until.url)
    task = asyncio.get_running_loop().create_task(asked.ask(url, listens))
    try:
        yield asked
    finally:
        task.cancel()
        await asyncio.wait([task])
    if not task.cancelled():
        task.result()


def _url(text: str) -> httpx2.URL:
    import httpx2  # noqa: PLC0415  few waits are for a URL

    try:
        return httpx2.URL(text)
    except httpx2.InvalidURL as error:
        raise InvalidRequestError(f"until={one_line(text, _MAX_SHOWN)!r}: {error}") from error


def _client(*, through_proxy: bool) -> httpx2.AsyncClient:
    import httpx2  # noqa: PLC0415  see above

    # No certificate is checked: servers that are developed sign their own, and nothing of the answer is used.
    return httpx2.AsyncClient(verify=False, timeout=_ANSWER_S, trust_env=through_proxy)
