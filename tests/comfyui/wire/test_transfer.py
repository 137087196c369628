"""Whatever answers a request for a file: it comes whole, or the trouble has the right name."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from mcp_background_job.comfyui.outputs.preview import MAX_SIZE, Preview, preview_of
from mcp_background_job.comfyui.wire import transfer as transfer_module
from mcp_background_job.comfyui.wire.endpoint import endpoint_of
from mcp_background_job.comfyui.wire.node_outputs import OutputFile
from mcp_background_job.comfyui.wire.route import route_to
from mcp_background_job.comfyui.wire.transfer import Transfer, in_thread, view_path
from mcp_background_job.comfyui.wire.trouble import Trouble
from mcp_background_job.errors import MissingOutputError, UnreachableError
from tests.comfyui.prompts.cancel_support import Serve, listening
from tests.comfyui_simulator.process import free_port
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.real_process

FILE = OutputFile(node_id="9", kind="images", filename="a b&c.png", subfolder="x/ü", type="output")
BUFFER = memoryview(bytearray(65_536))
PNG = b"\x89PNG\r\n\x1a\n" + b"rest"


async def _head_of(reader: asyncio.StreamReader) -> str:
    return (await reader.readuntil(b"\r\n\r\n")).decode()


def _sending(data: bytes, *, hang: bool = False) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _head_of(reader)
        writer.write(data)
        await writer.drain()
        if hang:
            await asyncio.Event().wait()

    return serve


def _answer(body: bytes, status: str = "200 OK", length: int | None = None) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body) if length is None else length}\r\n\r\n".encode() + body


async def _got(port: int) -> bytes:
    transfer = Transfer(endpoint_of(None, "127.0.0.1", port))

    def get() -> bytes:
        with contextlib.closing(transfer.chunks(view_path(FILE), lambda: BUFFER)) as chunks:
            return b"".join(map(bytes, chunks))

    return await in_thread(get, transfer.abort)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (_answer(b"abc"), b"abc"),
        (_answer(b""), b""),
        (_answer(b"x" * 3_000_000), b"x" * 3_000_000),
        (_answer(b"abc") + b"and more", b"abc"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde"),
    ],
)
async def test_a_whole_answer_is_the_file(answer: bytes, body: bytes) -> None:
    async with listening(_sending(answer)) as port:
        assert await _got(port) == body


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        (b"", Trouble.DROPPED),
        (b"HTTP/1.1 200 OK\r\nConte", Trouble.BROKEN),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Trouble.DROPPED),
        (_answer(b"half", length=8), Trouble.DROPPED),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf", Trouble.DROPPED),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", Trouble.DROPPED),
        (b"HTTP/1.1 200 OK\r\n\r\nperhaps all", Trouble.BROKEN),
        (_answer(b"", "302 Found\r\nLocation: /login"), Trouble.BROKEN),
        (_answer(b"oh", "500 Internal Server Error"), Trouble.BROKEN),
        (_answer(b"part", "206 Partial Content"), Trouble.BROKEN),
        (_answer(b"", "403 Forbidden"), Trouble.FORBIDDEN),
        (_answer(b"", "401 Unauthorized"), Trouble.FORBIDDEN),
    ],
)
async def test_what_is_no_whole_answer_has_a_name(answer: bytes, trouble: Trouble) -> None:
    async with listening(_sending(answer)) as port:
        with pytest.raises(UnreachableError) as error:
            await _got(port)
        assert error.value.trouble == trouble


@pytest.mark.parametrize("status", ["404 Not Found", "400 Bad Request"])
async def test_a_file_that_is_not_there_is_no_trouble_of_the_server(status: str) -> None:
    async with listening(_sending(_answer(b"", status))) as port:
        with pytest.raises(MissingOutputError, match=status[:3]):
            await _got(port)


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200 OK\r\nConte", _answer(b"half", length=8)])
async def test_silence_is_told_in_time(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer_module, "SILENCE_S", 0.3)
    async with listening(_sending(data, hang=True)) as port:
        with pytest.raises(UnreachableError) as error:
            await asyncio.wait_for(_got(port), PATIENCE_S)
        assert error.value.trouble == Trouble.SILENT


async def test_nobody_there_is_refused() -> None:
    with pytest.raises(UnreachableError) as error:
        await _got(free_port())
    assert error.value.trouble == Trouble.REFUSED


async def test_a_transfer_that_is_aborted_before_it_begins_fails_as_well() -> None:
    async with listening(_sending(b"", hang=True)) as port:
        transfer = Transfer(endpoint_of(None, "127.0.0.1", port))
        transfer.abort()
        with pytest.raises(UnreachableError):
            await asyncio.wait_for(asyncio.to_thread(next, transfer.chunks("/view", lambda: BUFFER)), PATIENCE_S)


# -- how the server is reached -----------------------------------------------------------------------------------------


async def test_names_reach_the_server_as_they_are_with_its_path_and_login() -> None:
    heads: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await _head_of(reader))
        writer.write(_answer(b"x"))
        await writer.drain()

    async with listening(serve) as port:
        transfer = Transfer(endpoint_of(f"http://me:p%40ss@127.0.0.1:{port}/comfy/", "", 0))
        chunks = transfer.chunks(view_path(FILE), lambda: BUFFER)
        assert await asyncio.to_thread(lambda: b"".join(map(bytes, chunks))) == b"x"
    [head] = heads
    assert head.startswith("GET /comfy/view?filename=a+b%26c.png&subfolder=x%2F%C3%BC&type=output HTTP/1.1\r\n")
    assert f"\r\nHost: 127.0.0.1:{port}\r\n" in head
    assert "\r\nAuthorization: Basic bWU6cEBzcw==\r\n" in head
    assert "\r\nAccept-Encoding: identity\r\n" in head


async def test_a_server_elsewhere_is_reached_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    heads: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await _head_of(reader))
        writer.write(_answer(b"x"))
        await writer.drain()

    async with listening(serve) as port:
        monkeypatch.setenv("http_proxy", f"http://you:pw@127.0.0.1:{port}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        transfer = Transfer(endpoint_of("http://comfyui.invalid:8188", "", 0))
        assert await asyncio.to_thread(lambda: b"".join(map(bytes, transfer.chunks("/view", lambda: BUFFER)))) == b"x"
    [head] = heads
    assert head.startswith("GET http://comfyui.invalid:8188/view HTTP/1.1\r\n")
    assert "\r\nHost: comfyui.invalid:8188\r\n" in head
    assert "\r\nProxy-Authorization: Basic eW91OnB3\r\n" in head


def test_what_is_on_this_machine_or_excepted_is_reached_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:3128")
    monkeypatch.setenv("no_proxy", "near.invalid")
    for url, host in (
        ("http://127.0.0.1:8188", "127.0.0.1"),
        ("http://near.invalid:8188", "near.invalid"),
        ("http://far.invalid:8188", "proxy.invalid"),
    ):
        assert route_to(endpoint_of(url, "", 0)).connection.host == host


async def test_a_proxy_is_asked_for_a_tunnel_to_an_encrypted_server(monkeypatch: pytest.MonkeyPatch) -> None:
    heads: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await _head_of(reader))
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        await writer.drain()

    async with listening(serve) as port:
        monkeypatch.setenv("https_proxy", f"127.0.0.1:{port}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        transfer = Transfer(endpoint_of("https://comfyui.invalid", "", 0))
        with pytest.raises(UnreachableError) as error:
            await asyncio.to_thread(next, transfer.chunks("/view", lambda: BUFFER))
        assert error.value.trouble == Trouble.UNREACHABLE
    assert heads[0].startswith("CONNECT comfyui.invalid:443 HTTP/1.")


# -- previews ----------------------------------------------------------------------------------------------------------


def _named(filename: str, folder: str = "output") -> OutputFile:
    return OutputFile(node_id="9", kind="images", filename=filename, subfolder="", type=folder)


async def _preview(port: int, *files: OutputFile) -> Preview:
    return await preview_of(endpoint_of(None, "127.0.0.1", port), files)


@pytest.mark.parametrize(
    ("data", "mime_type"),
    [
        (b"RIFF\x1a\0\0\0WEBPVP8L", "image/webp"),
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0JFIF", "image/jpeg"),
    ],
)
async def test_a_preview_is_called_what_it_is(data: bytes, mime_type: str) -> None:
    async with listening(_sending(_answer(data))) as port:
        assert await _preview(port, _named("a.png")) == Preview("a.png", data, mime_type)


@pytest.mark.parametrize("data", [b"", b"<html>", b"RIFF\0\0\0\0WAVE"])
async def test_what_is_no_picture_is_not_shown_as_one(data: bytes) -> None:
    async with listening(_sending(_answer(data))) as port:
        preview = await _preview(port, _named("a.png"))
        assert (preview.data, preview.name) == (b"", "a.png")
        assert "did not answer with a picture" in preview.trouble


async def test_a_preview_that_is_too_large_is_not_shown() -> None:
    async with listening(_sending(_answer(PNG + bytes(MAX_SIZE)))) as port:
        preview = await _preview(port, _named("a.png"))
        assert preview.data == b""
        assert "1,000,000 bytes" in preview.trouble
    async with listening(_sending(_answer(PNG + bytes(MAX_SIZE - len(PNG))))) as port:
        assert len((await _preview(port, _named("a.png"))).data) == MAX_SIZE


async def test_a_preview_that_the_server_cannot_make_is_said() -> None:
    async with listening(_sending(_answer(b"", "500 Internal Server Error"))) as port:
        assert "500" in (await _preview(port, _named("a.png"))).trouble


@pytest.mark.parametrize(
    ("files", "shown"),
    [
        ([_named("a.png"), _named("b.png")], "a.png"),
        ([_named("a.png", "temp"), _named("b.PNG")], "b.PNG"),
        ([_named("film.mp4"), _named("a.webp", "temp")], "a.webp"),
        ([_named("film.mp4"), _named("sound.flac")], ""),
        ([], ""),
    ],
)
async def test_the_first_image_to_keep_is_shown(files: list[OutputFile], shown: str) -> None:
    async with listening(_sending(_answer(PNG))) as port:
        assert (await _preview(port, *files)).name == shown
