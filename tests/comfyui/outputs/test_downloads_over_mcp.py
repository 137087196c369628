"""Outputs, downloaded and looked at by a real client of a real server."""

from __future__ import annotations

import asyncio
import contextlib
import os
from base64 import b64decode
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from mcp_types import ImageContent, TextContent

from mcp_background_job.comfyui.outputs.preview import MAX_SIZE
from tests.comfyui.prompts.cancel_support import QUICK
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator, free_port
from tests.comfyui_simulator.routes.file_routes import PREVIEW
from tests.nursery.starts import program
from tests.patience import WAIT_S
from tests.server.calls import Caller

pytestmark = pytest.mark.real_process

Connect = Callable[..., AbstractAsyncContextManager[Caller]]


@pytest.fixture
def connect(state_dir: str, tmp_path: Path) -> Connect:
    """Start a server for the ComfyUI on a port, which works in a directory of the test's own."""
    (tmp_path / "work").mkdir()

    @contextlib.asynccontextmanager
    async def connected(port: int, **settings: str) -> AsyncGenerator[Caller]:
        where = {"MCP_BG_STATE_DIR": state_dir, "MCP_BG_WORKING_DIR": str(tmp_path / "work")}
        environment = {**os.environ, **where, "COMFYUI_PORT": str(port), **settings}
        python, *arguments = program()
        transport = StdioTransport(python, arguments, env=environment)
        async with Client(transport) as client:
            yield Caller(client)

    return connected


async def run(client: Caller, graph: graphs.Graph, note: str = "") -> str:
    done = await client.facts("comfyui_submit", workflow=graph, note=note, wait_s=WAIT_S)
    assert done["status"] == "completed"
    return done["prompt_id"]


async def content_of(client: Caller, **arguments: Any) -> list[Any]:
    return (await client.client.call_tool("comfyui_download", arguments, raise_on_error=False)).content


@pytest.mark.requirement("comfyui.download.preview")
async def test_files_are_downloaded_and_an_image_is_shown(connect: Connect, tmp_path: Path) -> None:
    with await asyncio.to_thread(Simulator.start, *QUICK) as simulator:
        async with connect(simulator.port) as client:
            film = await run(client, graphs.file("film.mp4", kind="gifs", text="film"), "film")
            picture = await run(client, graphs.output("done", "sub/picture"), "tea / 1")
            result = await client.client.call_tool("comfyui_download", {"prompt_id": [film, picture]})
            directory = tmp_path / "work" / "comfyui-outputs"
            assert result.structured_content == {
                "status": "downloaded",
                "directory": str(directory),
                "written": 2,
                "skipped": 0,
                "failed": 0,
                "bytes": sum(path.stat().st_size for path in directory.rglob("*.*")),
                "files": ["film/film.mp4", "tea _ 1/sub/picture_00001_.png"],
                "preview": "picture_00001_.png",
            }
            assert (directory / "film/film.mp4").read_bytes() == b"film"
            text, image = result.content
            assert isinstance(text, TextContent)
            assert isinstance(image, ImageContent)
            assert (image.mime_type, b64decode(image.data)) == ("image/webp", PREVIEW)
            again = await client.facts("comfyui_download", prompt_id=picture)
            assert (again["written"], again["skipped"], again["preview"]) == (0, 1, "picture_00001_.png")


@pytest.mark.requirement("comfyui.download.preview")
async def test_without_an_image_there_is_no_picture_and_what_is_too_large_is_said(connect: Connect) -> None:
    with await asyncio.to_thread(Simulator.start, *QUICK) as simulator:
        async with connect(simulator.port) as client:
            film = await run(client, graphs.file("film.mp4", kind="gifs", text="film"))
            assert len(await content_of(client, prompt_id=film)) == 1
            large = await run(client, graphs.file("large.webp", size=MAX_SIZE + 1))
            assert len(await content_of(client, prompt_id=large)) == 1
            known = await client.facts("comfyui_download", prompt_id=large)
            assert known["preview"] == "none of large.webp: its preview has more than 1,000,000 bytes"
            assert known["skipped"] == 1


@pytest.mark.requirement("comfyui.download.goes_on")
async def test_what_is_missing_is_told_file_by_file(connect: Connect) -> None:
    with await asyncio.to_thread(Simulator.start, *QUICK) as simulator:
        async with connect(simulator.port) as client:
            missing = [("", f"gone{number}.png") for number in range(30)]
            prompt_id = await run(
                client, graphs.files(graphs.listing(*missing), graphs.file("a.txt", kind="text_files"))
            )
            known = await client.facts("comfyui_download", prompt_id=[prompt_id, "never"])
            assert (known["status"], known["written"], known["failed"]) == ("incomplete", 1, 31)
            assert (len(known["failures"]), known["more_failures"]) == (20, 11)
            assert known["failures"][0]["prompt_id"] == "never"
            assert "no longer has it" in known["failures"][1]["reason"]
            assert "preview" not in known


@pytest.mark.requirement("comfyui.download.inside")
async def test_the_directory_is_below_the_allowed_one(connect: Connect, tmp_path: Path) -> None:
    with await asyncio.to_thread(Simulator.start, *QUICK) as simulator:
        async with connect(simulator.port, COMFYUI_OUTPUT_DIR=str(tmp_path / "allowed")) as client:
            prompt_id = await run(client, graphs.file("a.txt", kind="text_files", text="a"), "n")
            for elsewhere in (str(tmp_path), "..", "/", str(tmp_path / "allowed2")):
                refusal = await client.error("comfyui_download", prompt_id=prompt_id, output_dir=elsewhere)
                assert "COMFYUI_OUTPUT_DIR" in refusal
            assert not (tmp_path / "allowed").exists()
            known = await client.facts("comfyui_download", prompt_id=prompt_id, output_dir="x/y")
            assert known["directory"] == str(tmp_path / "allowed/x/y")
            assert (tmp_path / "allowed/x/y/n/a.txt").read_bytes() == b"a"
        async with connect(simulator.port, MCP_BG_WORKING_DIR="/") as client:
            refusal = await client.error("comfyui_download", prompt_id=prompt_id, output_dir=str(tmp_path))
            assert "set COMFYUI_OUTPUT_DIR" in refusal


async def test_a_server_that_is_not_there_is_said(connect: Connect) -> None:
    async with connect(free_port()) as client:
        known = await client.facts("comfyui_download", prompt_id="00000000-0000-4000-8000-000000000000")
        assert (known["status"], known["why"], known["failed"]) == ("unreachable", "refused", 1)
        assert "start_comfyui" in known["detail"]


async def test_progress_is_reported_and_no_other_call_is_held_up(connect: Connect) -> None:
    heard: list[str] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        assert progress <= (total or 0)
        heard.append(message or "")

    with await asyncio.to_thread(Simulator.start, *QUICK, "--view-stall", "1000", "1") as simulator:
        async with connect(simulator.port) as client:
            prompt_id = await run(client, graphs.files(graphs.file("a.txt", size=1), graphs.file("b.mp4", size=2000)))
            arguments = {"prompt_id": prompt_id}
            calling = client.client.call_tool(
                "comfyui_download", arguments, progress_handler=hear, raise_on_error=False
            )
            downloading = asyncio.ensure_future(calling)
            assert (await client.facts("comfyui_status"))["reachable"]
            while not heard:
                assert not downloading.done()
                await asyncio.sleep(0.05)
            await asyncio.to_thread(simulator.stop)
            result: Any = await downloading
            assert result.structured_content["written"] == 1
    assert heard[0] == "downloading: 1 of 2 files, 1 B, 5 s"


async def test_files_of_one_server_are_not_taken_from_another_that_has_the_same_names(
    connect: Connect, tmp_path: Path
) -> None:
    graph = graphs.with_output(graphs.sleeping(0.0))
    with (
        await asyncio.to_thread(Simulator.start, *QUICK) as one,
        await asyncio.to_thread(Simulator.start, *QUICK) as two,
    ):
        async with connect(one.port) as client:
            prompt_id = await run(client, graph, "cat")
        async with connect(two.port) as client:
            await run(client, graph, "dog")
            missed = await client.facts("comfyui_download", prompt_id=prompt_id)
    assert (missed["status"], missed["written"]) == ("incomplete", 0)
    assert f"it was submitted to ComfyUI at {one.url}" in missed["failures"][0]["reason"]
    assert not list((tmp_path / "work").rglob("cat"))
