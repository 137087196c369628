"""What one process hears of a prompt, another one sees: how far each node is, and the newest preview."""

from __future__ import annotations

import asyncio
import os
import uuid
from pathlib import Path

import pytest

from mcp_background_job.comfyui.live.files import LOOKED_ON_S, LiveFiles
from mcp_background_job.comfyui.live.sharing import Sharing
from mcp_background_job.comfyui.wire.endpoint import endpoint_of
from mcp_background_job.comfyui.wire.events import EventStream
from mcp_background_job.comfyui.wire.nodes import Live, Node
from mcp_background_job.comfyui.wire.previews import Preview
from tests.comfyui.prompts.cancel_support import QUICK, VERSIONS
from tests.comfyui.talk import submit
from tests.comfyui_simulator import png
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator
from tests.patience import until

PICTURE = png.stage(1, 4)
LIVE = Live({"3": Node(4, 20), "57:9": Node(is_done=True)}, ("1",), Preview(PICTURE, "image/png", node_id="3"))


def _names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_what_is_put_is_what_is_got(tmp_path: Path) -> None:
    files = LiveFiles(tmp_path / "live")
    files.look_on()
    files.put("../../p\n", LIVE)
    assert files.get("../../p\n") == LIVE
    assert _names(tmp_path) == {"live"}
    files.put("../../p\n", Live())
    assert files.get("../../p\n") == Live()
    files.drop("../../p\n")
    assert files.get("../../p\n") is None
    assert files.version("../../p\n") == ""


def test_a_version_differs_when_a_prompt_has_moved(tmp_path: Path) -> None:
    files = LiveFiles(tmp_path)
    files.put("p", LIVE)
    before = files.version("p")
    assert before == files.version("p")
    files.put("p", LIVE)
    assert files.version("p") != before


def test_nobody_looks_before_somebody_does_nor_long_afterwards(tmp_path: Path) -> None:
    files = LiveFiles(tmp_path / "live")
    assert not files.is_looked_on()
    files.look_on()
    assert files.is_looked_on()
    mark = next((tmp_path / "live").iterdir())
    long_ago = mark.stat().st_mtime - LOOKED_ON_S - 1
    os.utime(mark, (long_ago, long_ago))
    assert not files.is_looked_on()


def test_what_the_killed_have_left_goes_with_the_next_look(tmp_path: Path) -> None:
    files = LiveFiles(tmp_path)
    files.put("old", LIVE)
    (left,) = _names(tmp_path)
    os.utime(tmp_path / left, (1, 1))
    files.put("new", LIVE)
    files.look_on()
    assert files.get("old") is None
    assert files.get("new") == LIVE


async def test_nothing_is_written_while_nobody_looks_and_the_newest_once_somebody_does(tmp_path: Path) -> None:
    files = LiveFiles(tmp_path / "live")
    sharing = Sharing(files)
    sharing.note("p", LIVE)
    await asyncio.sleep(0)
    assert not (tmp_path / "live").exists()
    sharing.note("p", newest := Live({"3": Node(5, 20)}))
    files.look_on()
    await until(lambda: _is(files.get("p") == newest), "the newest is passed on")
    sharing.note("p", None)
    await until(lambda: _is(files.get("p") is None), "a prompt that is over is forgotten")
    await sharing.close()


async def test_a_process_that_ends_leaves_nothing_behind(tmp_path: Path) -> None:
    files = LiveFiles(tmp_path)
    files.look_on()
    sharing = Sharing(files)
    sharing.note("p", LIVE)
    await until(lambda: _is(files.get("p") == LIVE), "it is passed on")
    await sharing.close()
    assert files.get("p") is None


async def _is(condition: bool) -> bool:  # noqa: FBT001  what is waited for
    return condition


@pytest.mark.real_process
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("is_ours", [True, False])
async def test_previews_of_a_prompt_are_seen_as_they_come(tmp_path: Path, version: str, is_ours: bool) -> None:  # noqa: FBT001
    """Ours come with names, those of prompts that nobody listens to go to everybody and have none."""
    gates = tmp_path / "gates"
    gates.mkdir()
    heard: list[Live | None] = []
    moved = asyncio.Event()

    def note(_prompt_id: str, live: Live | None) -> None:
        heard.append(live)
        moved.set()

    async def shows(step: int) -> bool:
        live = next((one for one in reversed(heard) if one), None)
        return bool(live and live.preview and live.preview.data == png.stage(step, 3))

    with await asyncio.to_thread(Simulator.start, *QUICK, "--version", version) as simulator:
        events = EventStream(endpoint_of(simulator.url, "", 0))
        events.when_moved(note)
        try:
            client_id = await events.client_id()
            owner = {"client_id": client_id} if is_ours else {}
            events.follow(prompt_id := str(uuid.uuid4()))
            graph = graphs.previewing(gates, steps=3)
            await asyncio.to_thread(submit, simulator, graph, prompt_id=prompt_id, **owner)
            for step in (1, 2, 3):
                await until(lambda step=step: shows(step), f"the preview of step {step}")
                (gates / str(step)).touch()
            last = next(one for one in reversed(heard) if one)
            assert last.preview
            assert last.preview.node_id == ("1" if is_ours else "")
            assert "1" in last.nodes
        finally:
            await events.close_for_good()
