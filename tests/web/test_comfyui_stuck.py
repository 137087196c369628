"""The page of a ComfyUI that is stuck or gone: why, with what evidence, and what a restart costs."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command_line import CommandLine
from tests.comfyui.lifecycle.lifecycle_support import a_checkout
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator
from tests.web.conftest import Open
from tests.web.looks import answer
from tests.web.renderer import Renderer

pytestmark = [pytest.mark.browser, pytest.mark.carriers("browser")]

Shot = Callable[[str], None]


@pytest.fixture(autouse=True)
def simulator(cli: CommandLine, tmp_path: Path) -> Generator[Simulator]:
    """A ComfyUI that can be run again as it was run."""
    with a_checkout(tmp_path) as one:
        cli.environment["COMFYUI_URL"] = one.url
        yield one


@pytest.fixture
def other(cli: CommandLine, simulator: Simulator, tmp_path: Path) -> Generator[Simulator]:
    """Another ComfyUI, which a dashboard that is made after it is told of too."""
    (tmp_path / "other").mkdir()
    with a_checkout(tmp_path / "other") as one:
        del cli.environment["COMFYUI_URL"]
        cli.environment["COMFYUI_URLS"] = f"{simulator.url} {one.url}"
        yield one


def test_a_wedge_is_told_with_its_evidence_and_a_restart_says_what_it_costs(
    view: Any, open_at: Open, renderer: Renderer, shot: Shot
) -> None:
    renderer.submit(graphs.sys_exit(), "ends the worker")
    waits = renderer.submit(graphs.output(), "waits behind it")
    open_at("/comfyui")
    queue = view.get_by_role("region", name="Queue")
    answer(view, queue.get_by_role("button", name="Cancel: ends the worker"), "Stop it")
    wedge = view.get_by_role("region", name="ends the worker cannot be stopped")
    wedge.get_by_text("The thread that runs prompts is dead: nothing will ever run there again.").wait_for()
    assert wedge.get_by_role("listitem").filter(has_text="no other thread works").count() == 1
    shot("comfyui-wedged")

    wedge.get_by_role("button", name="Restart ComfyUI…").click()
    question = view.get_by_role("dialog")
    question.get_by_text("Lost: “ends the worker”. Submitted again: “waits behind it”.").wait_for()
    shot("comfyui-restart")
    question.get_by_role("button", name="Leave it").click()
    assert queue.get_by_role("link", name="waits behind it").is_visible(), "nothing was ended"

    wedge.get_by_label("What is submitted again").select_option("all")
    wedge.get_by_role("button", name="Restart ComfyUI…").press("Enter")
    question.get_by_text("Submitted again: “ends the worker”, “waits behind it”.").wait_for()
    question.get_by_role("button", name="Leave it").press("Escape")
    wedge.get_by_label("What is submitted again").select_option("pending")
    wedge.get_by_role("button", name="Restart ComfyUI…").press("Enter")
    question.get_by_role("button", name="Restart", exact=True).press("Enter")
    wedge.wait_for(state="detached")
    made = view.get_by_role("region", name="Results").locator("li", has_text="waits behind it")
    made.get_by_text("completed").wait_for()
    assert renderer.do(lambda one: one.state_of(waits)) == "completed"


def test_a_server_that_does_not_answer_is_no_empty_queue(
    view: Any, open_at: Open, renderer: Renderer, simulator: Simulator, shot: Shot
) -> None:
    renderer.submit(graphs.sleeping(300), "runs")
    open_at("/comfyui")
    view.get_by_role("region", name="Queue").get_by_role("link", name="runs").wait_for()
    simulator.stop()
    server = view.get_by_role("region", name="Server")
    server.get_by_text("unreachable", exact=True).wait_for()
    server.get_by_role("alert").filter(has_text="nothing listens there").wait_for()
    server.get_by_text("Without an end when it last answered: 1.").wait_for()
    assert view.get_by_text("Nothing runs, and nothing waits.").count() == 0
    shot("comfyui-unreachable")


def test_of_several_the_one_is_restarted_that_is_chosen(
    cli: CommandLine, other: Simulator, view: Any, open_at: Open
) -> None:
    first = cli.environment["COMFYUI_URLS"].split()[0]
    open_at("/comfyui")
    server = view.get_by_role("region", name="Server")
    server.get_by_text("Restart", exact=True).click()
    for url in (other.url, first):
        server.get_by_label("Which ComfyUI").select_option(url)
        server.get_by_role("button", name="Restart ComfyUI…").click()
        question = view.get_by_role("dialog")
        question.get_by_text(f"Restart ComfyUI at {url}?").wait_for()
        question.get_by_role("button", name="Leave it").click()
