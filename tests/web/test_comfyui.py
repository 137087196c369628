"""The page of ComfyUI, in a browser, on a simulated ComfyUI that another process of ours renders with."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command_line import CommandLine
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator
from tests.web.conftest import Open
from tests.web.renderer import Renderer, rendering

pytestmark = pytest.mark.browser

Shot = Callable[[str], None]


@pytest.fixture(autouse=True)
def simulator(cli: CommandLine) -> Generator[Simulator]:
    """A ComfyUI; before the dashboard, which is told where it is."""
    with Simulator.start("--startup-delay", "0") as one:
        cli.environment["COMFYUI_URL"] = one.url
        yield one


@pytest.fixture
def renderer(cli: CommandLine, simulator: Simulator) -> Generator[Renderer]:
    with rendering(cli.state_dir, simulator.port) as one:
        yield one


def _titled(graph: graphs.Graph, **titles: str) -> graphs.Graph:
    return {
        node_id: node | ({"_meta": {"title": titles[f"n{node_id}"]}} if f"n{node_id}" in titles else {})
        for node_id, node in graph.items()
    }


def test_a_render_is_watched_node_by_node_with_previews_and_then_shown(
    view: Any, open_at: Open, renderer: Renderer, tmp_path: Path, shot: Shot
) -> None:
    gates = tmp_path / "gates"
    gates.mkdir()
    open_at("/comfyui")
    view.get_by_text("Nothing runs, and nothing waits.").wait_for()

    graph = _titled(graphs.with_output(graphs.previewing(gates, steps=3)), n1="Base sampler", n9="Keep it")
    renderer.submit(graph, "a cat")
    renderer.submit(graphs.with_output(graphs.stepped(2, 0.0)), "a dog")
    queue = view.get_by_role("region", name="Queue")
    queue.get_by_role("link", name="a cat").wait_for()
    preview = queue.get_by_role("img", name="Preview of Base sampler")
    preview.wait_for()
    first = preview.get_attribute("src")
    running = queue.locator("comfyui-live .nodes").first
    running.get_by_text("1 / 3").wait_for()
    shot("comfyui-running")

    (gates / "1").touch()
    running.get_by_text("2 / 3").wait_for()
    view.wait_for_function("before => document.querySelector('.preview').src !== before", arg=first)
    (gates / "2").touch()
    (gates / "3").touch()
    made = view.get_by_role("region", name="Made")
    made.get_by_role("link", name="a cat").wait_for()
    made.get_by_role("link", name="a dog").wait_for()
    made.get_by_text("Keep it").wait_for()
    picture = made.get_by_role("img", name="Keep it (9): simulated_00001_.png")
    view.wait_for_function("() => [...document.querySelectorAll('.thumbs img')].every((one) => one.naturalWidth > 0)")
    assert picture.count() == 1
    shot("comfyui-made")
