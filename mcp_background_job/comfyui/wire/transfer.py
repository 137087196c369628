"""Gets files from a ComfyUI server, in a thread, chunk by chunk; failures have the same names as in ``client``.

With httpx2, which the client uses, a gigabyte takes 1.7 times as long as with curl, since a parser handles every 64 kB;
http.client reads directly into a buffer.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import threading
from collections.abc import Callable, Generator
from typing import TypeVar
from urllib.parse import urlencode

from mcp_background_job.comfyui.wire.client import CONNECT_S
from mcp_background_job.comfyui.wire.endpoint import Endpoint
from mcp_background_job.comfyui.wire.node_outputs import OutputFile
from mcp_background_job.comfyui.wire.route import route_to
from mcp_background_job.comfyui.wire.trouble import Trouble, unreachable
from mcp_background_job.errors import MissingOutputError, UnreachableError
from mcp_background_job.executors import lanes

Result = TypeVar("Result")

#: Seconds: a server that loads a large model holds its interpreter, and sends nothing meanwhile.
SILENCE_S = 20.0

_OK, _FORBIDDEN = 200, (401, 403)
#: A name that the server rejects, and a file that does not exist.
_MISSING = (400, 404)


def view_path(file: OutputFile, **more: str) -> str:
    """Return the path, with its query, of a file."""
    return "/view?" + urlencode({"filename": file.filename, "subfolder": file.subfolder, "type": file.type, **more})


async def in_thread(work: Callable[[], Result], abort: Callable[[], None]) -> Result:
    """Await work in a thread; if the waiter is cancelled, the work is aborted, and its end awaited all the same."""
    task = asyncio.ensure_future(lanes.lasting(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        abort()
        await asyncio.gather(task, return_exceptions=True)
        raise


class Transfer:
    """One file in transfer. One thread runs it, and any thread may abort it."""

    #: The name of the request in messages.
    _what = "GET /view"

    def __init__(self, endpoint: Endpoint) -> None:
        """Takes the endpoint; opens no connection."""
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_aborted = False

    def chunks(self, path: str, buffer: Callable[[], memoryview]) -> Generator[memoryview]:
        """Get a file; each chunk is the filled part of a buffer that is requested before it.

        Raises:
            MissingOutputError: the server does not have it.
            UnreachableError: it did not come, or not all of it.
        """
        route = route_to(self._endpoint)
        with self._named_troubles(), contextlib.closing(route.connection) as connection:
            connection.connect()
            self._follow(connection.sock)
            connection.request("GET", route.base + path, headers=route.headers)
            with connection.getresponse() as response:
                yield from self._received(response, buffer)

    def abort(self) -> None:
        """Make the transfer fail now."""
        with self._lock:
            self._is_aborted = True
            if self._socket is not None:
                with contextlib.suppress(OSError):  # the server was quicker
                    self._socket.shutdown(socket.SHUT_RDWR)

    def _follow(self, connected: socket.socket) -> None:
        connected.settimeout(SILENCE_S)
        with self._lock:
            self._socket = connected
            if self._is_aborted:
                raise ConnectionAbortedError("aborted")

    def _received(self, response: http.client.HTTPResponse, buffer: Callable[[], memoryview]) -> Generator[memoryview]:
        self._check(response.status)
        expected = response.length
        if expected is None and not response.chunked:
            raise self._unreachable(
                Trouble.BROKEN, "a file came without its length: a part could be taken for the whole"
            )
        size = 0
        while got := response.readinto(into := buffer()):
            size += got
            yield into[:got]
        if expected is not None and size != expected:
            raise self._unreachable(Trouble.DROPPED, f"a file ended after {size:,} of {expected:,} bytes")

    def _check(self, status: int) -> None:
        if status == _OK:
            return
        if status in _MISSING:
            raise MissingOutputError(
                f"the server no longer has it, or does not give it out (GET /view answered {status})"
            )
        trouble = Trouble.FORBIDDEN if status in _FORBIDDEN else Trouble.BROKEN
        raise self._unreachable(trouble, f"GET /view answered {status}")

    @contextlib.contextmanager
    def _named_troubles(self) -> Generator[None]:
        try:
            yield
        except ConnectionRefusedError as error:
            raise self._unreachable(Trouble.REFUSED, str(error)) from error
        except TimeoutError as error:
            if self._socket is None:
                raise self._unreachable(Trouble.UNREACHABLE, f"no connection within {CONNECT_S:g} s") from error
            raise self._unreachable(Trouble.SILENT, f"{self._what}: nothing came for {SILENCE_S:g} s") from error
        except (OSError, http.client.HTTPException) as error:
            trouble = Trouble.UNREACHABLE if self._socket is None else Trouble.DROPPED
            raise self._unreachable(trouble, f"{self._what}: {str(error) or type(error).__name__}") from error

    def _unreachable(self, trouble: Trouble, detail: str) -> UnreachableError:
        return unreachable(self._endpoint.url, trouble, detail, is_near=self._endpoint.is_near)
