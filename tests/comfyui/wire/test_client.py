"""Whatever listens on the port, or does not: the trouble has the right name, and is told in time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from mcp_background_job.comfyui.wire import client as client_module
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.comfyui.wire.endpoint import endpoint_of
from mcp_background_job.comfyui.wire.events import EventStream
from mcp_background_job.comfyui.wire.trouble import Trouble, unreachable
from mcp_background_job.core.comfyui.submission import End
from mcp_background_job.errors import UnreachableError
from tests.comfyui.prompts.cancel_support import Serve, control_of, listening
from tests.comfyui_simulator.process import free_port
from tests.patience import PATIENCE_S, scaled

pytestmark = pytest.mark.real_process

#: A look is given so long here, instead of seconds.
READ_S = scaled(0.5)

#: The whole of a request, instead of twenty seconds.
REQUEST_S = scaled(1.5)


async def _read_request(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


async def _never(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def _hang_up(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    return


async def _hang_up_later(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await _read_request(reader)


def _answering(body: bytes, status: str = "200 OK", kind: str = "application/json") -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _read_request(reader)
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    return serve


def _raw(data: bytes, *, then: Serve = _hang_up) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _read_request(reader)
        writer.write(data)
        await writer.drain()
        await then(reader, writer)

    return serve


async def _dribble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        for _ in range(1000):
            writer.write(b"[")
            await writer.drain()
            await asyncio.sleep(READ_S / 2)


_HALF = b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"queue_running": ['
_PAGE = b"<html><body>It works!</body></html>"

ANSWERS: dict[str, tuple[Serve, Trouble]] = {
    "takes connections and never answers": (_never, Trouble.SILENT),
    "dribbles": (_dribble, Trouble.SILENT),
    "gives half an answer and hangs": (_raw(_HALF, then=_never), Trouble.SILENT),
    "gives half a head and hangs": (_raw(b"HTTP/1.1 200 OK\r\nConte", then=_never), Trouble.SILENT),
    "hangs up at once": (_hang_up, Trouble.DROPPED),
    "hangs up after the request": (_hang_up_later, Trouble.DROPPED),
    "gives half an answer": (_raw(_HALF), Trouble.DROPPED),
    "speaks another protocol": (_raw(b"SSH-2.0-OpenSSH_9.2\r\n"), Trouble.DROPPED),
    "speaks nonsense": (_raw(b"\0\xff" * 500 + b"\r\n\r\n"), Trouble.DROPPED),
    "answers with a page": (_answering(_PAGE, kind="text/html"), Trouble.NOT_COMFYUI),
    "answers with nothing": (_answering(b""), Trouble.NOT_COMFYUI),
    "answers with other JSON": (_answering(b'{"jobs": []}'), Trouble.NOT_COMFYUI),
    "answers with a list": (_answering(b"[]"), Trouble.NOT_COMFYUI),
    "answers with a bomb": (_answering(b"[" * 100_000), Trouble.NOT_COMFYUI),
    "answers with what is no text": (_answering(b"\xff\xfe\x00"), Trouble.NOT_COMFYUI),
    "does not know the path": (_answering(b"", "404 Not Found"), Trouble.NOT_COMFYUI),
    "wants a login": (_answering(b"", "401 Unauthorized"), Trouble.FORBIDDEN),
    "refuses": (_answering(b"", "403 Forbidden"), Trouble.FORBIDDEN),
    "is broken": (_answering(b"oh", "500 Internal Server Error"), Trouble.BROKEN),
    "is behind a proxy that is alone": (_answering(_PAGE, "502 Bad Gateway", "text/html"), Trouble.BROKEN),
    "sends elsewhere": (_answering(b"", "302 Found\r\nLocation: /login"), Trouble.BROKEN),
}


@contextlib.asynccontextmanager
async def _client_of(port: int) -> AsyncGenerator[Client]:
    client = Client(endpoint_of(None, "127.0.0.1", port))
    try:
        yield client
    finally:
        await client.close()


@pytest.mark.requirement("comfyui.unreachable")
@pytest.mark.parametrize("name", ANSWERS)
async def test_the_trouble_has_the_right_name_in_time(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "REQUEST_S", REQUEST_S)
    serve, trouble = ANSWERS[name]
    async with listening(serve) as port, _client_of(port) as client:
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(UnreachableError) as told:
                await client.queue(read_s=READ_S)
        assert told.value.trouble is trouble
        advised = str(unreachable(client.endpoint.url, trouble, "", is_near=True)).removesuffix(" ()")
        assert str(told.value).startswith(advised)
        assert len(str(told.value)) < 600


#: Of ComfyUI 0.8.0: its list of jobs knows no ``cancelled``, and calls what was interrupted failed, without an error.
_FIRST_LIST = b"""{"jobs": [
    {"id": "stopped", "status": "failed", "execution_start_time": 1000, "execution_end_time": 2000, "outputs_count": 0},
    {"id": "raised", "status": "failed", "execution_error": {"exception_message": "no"}, "outputs_count": 0},
    {"id": "done", "status": "completed", "outputs_count": 2}
], "pagination": {"offset": 0, "limit": null, "total": 3, "has_more": false}}"""


async def test_the_first_servers_with_a_list_of_jobs_have_it_read_where_their_history_is_broken() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await _read_request(reader)
        status, body = b"200 OK", _FIRST_LIST
        if request.startswith(b"GET /history"):
            status, body = b"500 Internal Server Error", b""
        elif b"cancelled" in request:
            status, body = b"400 Bad Request", b'{"error": "Invalid status value(s): cancelled."}'
        head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(body))
        writer.write(head + body)
        await writer.drain()

    async with listening(serve) as port, _client_of(port) as client:
        ends = {one.prompt_id: one.end for one in await client.history(5)}
        assert ends == {"done": End.COMPLETED, "raised": End.FAILED, "stopped": End.CANCELLED}
        stopped = await client.finished("stopped")
        assert stopped is not None
        assert (stopped.started_at, stopped.ended_at) == (1.0, 2.0)


UPSTREAMS = {
    "http://127.0.0.1:8188": "set COMFYUI_URL to http://127.0.0.1:8188",
    "http://somebody:secret@gpu:8188/": "set COMFYUI_URL to http://gpu:8188",
    "": None,
}


@pytest.mark.parametrize("upstream", UPSTREAMS)
async def test_a_proxy_of_comfy_api_v2_is_told_with_the_comfyui_behind_it(upstream: str) -> None:
    """As comfy-api-proxy 0.1.6 answers: 404 but for its own paths, of which one names what is behind it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await _read_request(reader)
        health = b'{"status": "healthy", "upstream": "%s"}' % upstream.encode()
        known = request.startswith(b"GET /api/v2/health ")
        writer.write(
            b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
            % ((b"200 OK", len(health), health) if known else (b"404 Not Found", 0, b""))
        )
        await writer.drain()

    async with listening(serve) as port, _client_of(port) as client:
        for ask in (client.queue(), client.stats(), client.free()):
            with pytest.raises(UnreachableError) as told:
                await ask
            assert told.value.trouble is Trouble.NOT_COMFYUI
            assert (advice := UPSTREAMS[upstream]) is None or advice in str(told.value)
            assert ("Comfy API v2" in str(told.value)) == (advice is not None)


#: What may answer one thing and not the other: a proxy, or a server that dies.
HISTORIES = [
    name for name in ANSWERS if name not in ("answers with other JSON", "is broken", "is behind a proxy that is alone")
]


@pytest.mark.parametrize("name", HISTORIES)
async def test_a_history_that_cannot_be_read_is_not_an_empty_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "REQUEST_S", REQUEST_S)
    serve, trouble = ANSWERS[name]
    async with listening(serve) as port, _client_of(port) as client:
        with pytest.raises(UnreachableError) as told:
            await client.finished("p", read_s=READ_S)
        assert told.value.trouble is trouble


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "404 Not Found", "418 I'm a teapot"])
async def test_a_refusal_with_json_in_it_is_not_an_empty_history(status: str) -> None:
    async with listening(_answering(b'{"detail": "log in first"}', status)) as port, _client_of(port) as client:
        with pytest.raises(UnreachableError):
            await client.finished("p", read_s=READ_S)


async def test_where_nobody_listens_a_connection_is_refused() -> None:
    async with _client_of(free_port()) as client:
        with pytest.raises(UnreachableError) as told:
            await client.queue()
        assert told.value.trouble is Trouble.REFUSED


@pytest.mark.parametrize("url", ["http://no-such-host.invalid:8188", "http://%:1", "http://x\x7f:1", "http://a..b:1"])
async def test_a_host_that_is_none_cannot_be_reached(url: str) -> None:
    client = Client(endpoint_of(url, "unused", 1))
    try:
        with pytest.raises(UnreachableError) as told:
            await client.queue()
        assert told.value.trouble is Trouble.UNREACHABLE
    finally:
        await client.close()


@pytest.mark.parametrize("name", ANSWERS)
async def test_without_a_websocket_prompts_are_submitted_all_the_same(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_background_job.comfyui.wire.events._OPEN_S", READ_S)
    serve, _ = ANSWERS[name]
    async with listening(serve) as port:
        events = EventStream(endpoint_of(None, "127.0.0.1", port))
        async with asyncio.timeout(PATIENCE_S):
            first, second = await asyncio.gather(events.client_id(), events.client_id())
        assert first
        assert second
        await events.close()


@pytest.mark.parametrize("name", ANSWERS)
async def test_whatever_answers_a_cancel_is_not_said_to_have_happened(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "REQUEST_S", REQUEST_S)
    monkeypatch.setattr("mcp_background_job.comfyui.prompts.cancel_plan.SILENT_LOOK_S", READ_S)
    monkeypatch.setattr("mcp_background_job.comfyui.prompts.cancel.SILENT_LOOK_S", READ_S)
    serve, _ = ANSWERS[name]
    async with listening(serve) as port, control_of(port, tmp_path) as control:
        cancelled = await control.cancel("00000000-0000-4000-8000-000000000000")
        assert cancelled.verdict in ("unreachable", "wedged")
