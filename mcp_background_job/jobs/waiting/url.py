"""Asks a URL, again and again, whether it answers."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mcp_background_job.core.text import one_line
from mcp_background_job.core.waiting import Until
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.executors import lanes

if TYPE_CHECKING:
    import httpx2

#: A server that is asked while it starts may hold the connection and never answer; then it is asked again.
_ANSWER_S = 5.0

#: Between two questions: nobody notices, and a server that logs each of them fills no log.
_TRY_AGAIN_S = 0.5

#: A status below this is an answer, redirections included.
_FIRST_ERROR = 400

_MAX_SHOWN = 200


class Asked:
    """What a URL has answered.

    Attributes:
        is_answered: it has, and not with an error.
        trouble: what came instead, the last time; ``None`` if nothing has come yet.
    """

    def __init__(self) -> None:
        """Nothing is known yet."""
        self.is_answered = False
        self.trouble: str | None = None

    async def ask(self, client: httpx2.AsyncClient, url: str) -> None:
        """Ask until there is an answer. Of this, nothing but its status is looked at."""
        import httpx2  # noqa: PLC0415  it is loaded: there is a client

        while True:
            try:
                async with asyncio.timeout(_ANSWER_S), client.stream("GET", url) as response:
                    self.is_answered = response.status_code < _FIRST_ERROR
                    self.trouble = f"it answers {response.status_code}"
            except TimeoutError:
                self.trouble = f"no answer within {_ANSWER_S:g} s"
            except (httpx2.HTTPError, OSError) as error:
                self.trouble = one_line(str(error) or type(error).__name__, _MAX_SHOWN)
            if self.is_answered:
                return
            await asyncio.sleep(_TRY_AGAIN_S)


@contextlib.asynccontextmanager
async def asking(until: Until) -> AsyncGenerator[Asked]:
    """Ask meanwhile, if there is a URL to be asked.

    Raises:
        InvalidRequestError: the URL cannot be asked.
    """
    asked = Asked()
    if not until.url:
        yield asked
        return
    async with await lanes.scan(_client, until.url) as client:
        task = asyncio.get_running_loop().create_task(asked.ask(client, until.url))
        try:
            yield asked
        finally:
            task.cancel()
            await asyncio.wait([task])
    if not task.cancelled():
        task.result()


def _client(url: str) -> httpx2.AsyncClient:
    import httpx2  # noqa: PLC0415  few waits are for a URL

    try:
        httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise InvalidRequestError(f"until={one_line(url, _MAX_SHOWN)!r}: {error}") from error
    # No certificate is checked: servers that are developed sign their own, and nothing of the answer is used.
    return httpx2.AsyncClient(verify=False, timeout=_ANSWER_S, trust_env=not _is_here(url))


def _is_here(url: str) -> bool:
    """Tell whether a URL is of this machine, which no proxy is asked for."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
