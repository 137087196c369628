"""The page of ComfyUI, in a browser, on a simulated ComfyUI that another process of ours renders with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator
from tests.web.conftest import Complaints, Open
from tests.web.dashboard import Dashboard
from tests.web.looks import answer, said
from tests.web.renderer import Renderer

pytestmark = pytest.mark.browser

Shot = Callable[[str], None]


@pytest.fixture(autouse=True)
def _comfyui(simulator: Simulator) -> Simulator:
    """Before the dashboard, which is told where it is."""
    return simulator


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
    running = queue.locator("comfyui-live ul").first
    running.get_by_text("1 / 3").wait_for()
    shot("comfyui-running")

    (gates / "1").touch()
    running.get_by_text("2 / 3").wait_for()
    view.wait_for_function("before => document.querySelector('.preview').src !== before", arg=first)
    (gates / "2").touch()
    (gates / "3").touch()
    made = view.get_by_role("region", name="Results")
    made.get_by_role("link", name="a cat").wait_for()
    made.get_by_role("link", name="a dog").wait_for()
    made.get_by_text("Keep it").wait_for()
    picture = made.get_by_role("img", name="Keep it (9): simulated_00001_.png")
    view.wait_for_function("() => [...document.querySelectorAll('.thumbs img')].every((one) => one.naturalWidth > 0)")
    assert picture.count() == 1
    shot("comfyui-made")


@pytest.mark.carriers("browser")
def test_the_page_of_a_prompt_goes_on_to_its_end(
    view: Any, open_at: Open, renderer: Renderer, tmp_path: Path, shot: Shot
) -> None:
    gates = tmp_path / "gates"
    gates.mkdir()
    prompt_id = renderer.submit(_titled(graphs.with_output(graphs.previewing(gates, steps=2)), n1="Sampler"), "a cat")
    open_at(f"/comfyui/{prompt_id}")
    view.get_by_role("heading", name="a cat in progress").wait_for()
    view.get_by_role("img", name="Preview of Sampler").wait_for()
    view.get_by_text("1 / 2").first.wait_for()
    shot("comfyui-prompt-running")
    for gate in ("1", "2"):
        (gates / gate).touch()
    view.get_by_role("heading", name="a cat completed").wait_for()
    view.get_by_role("img", name="simulated_00001_.png").wait_for()


@pytest.mark.carriers("browser")
def test_what_runs_and_waits_is_cancelled_and_moved(
    view: Any, open_at: Open, renderer: Renderer, tmp_path: Path
) -> None:
    renderer.submit(graphs.gated(tmp_path / "gate"), "first")
    for name in ("second", "third", "fourth"):
        renderer.submit(graphs.output(), name)
    open_at("/comfyui")
    queue = view.get_by_role("region", name="Queue")
    queue.get_by_role("link", name="fourth").wait_for()

    queue.get_by_role("button", name="To the front: fourth").click()
    queue.locator("li", has_text="fourth").get_by_text("waits for 1").wait_for()
    assert said(view, "it is at the front")

    answer(view, queue.get_by_role("button", name="Cancel: third"), "Leave it")
    assert queue.get_by_role("link", name="third").is_visible()
    answer(view, queue.get_by_role("button", name="Cancel: third"), "Take it out")
    queue.get_by_role("link", name="third").wait_for(state="detached")
    assert said(view, "third: cancelled")
    view.get_by_role("region", name="Results").locator("li", has_text="third").get_by_text("cancelled").wait_for()

    answer(view, queue.get_by_role("button", name="Cancel: first"), "Stop it")
    queue.get_by_role("link", name="first").wait_for(state="detached")
    view.get_by_role("region", name="Results").locator("li", has_text="second").get_by_text("completed").wait_for()


@pytest.mark.carriers("browser")
def test_all_pending_and_everything_are_cancelled(view: Any, open_at: Open, renderer: Renderer, tmp_path: Path) -> None:
    renderer.submit(graphs.gated(tmp_path / "gate"), "runs")
    for name in ("one", "two"):
        renderer.submit(graphs.output(), name)
    open_at("/comfyui")
    queue = view.get_by_role("region", name="Queue")
    queue.get_by_role("link", name="two").wait_for()
    answer(view, view.get_by_role("button", name="Cancel all pending"), "Cancel all pending")
    queue.get_by_role("link", name="two").wait_for(state="detached")
    assert queue.get_by_role("link", name="runs").is_visible()

    renderer.submit(graphs.output(), "three")
    queue.get_by_role("link", name="three").wait_for()
    answer(view, view.get_by_role("button", name="Cancel everything"), "Cancel everything")
    queue.get_by_text("Nothing runs, and nothing waits.").wait_for()


def test_batches_are_groups_that_pause_resume_cancel_and_retry(  # noqa: PLR0917  fixtures
    view: Any, carrier: str, open_at: Open, renderer: Renderer, tmp_path: Path, shot: Shot
) -> None:
    gate, other = tmp_path / "gate", tmp_path / "other"
    batch_id = renderer.batch(
        [graphs.gated(gate), graphs.raising("broken"), graphs.output(), graphs.output()], "four cats"
    )
    open_at("/comfyui")
    group = view.get_by_role("article", name="Batch four cats")
    group.get_by_text("0 of 4 over, 1 running, 3 pending").wait_for()
    group.get_by_role("button", name="Pause: four cats").click()
    group.locator(".badge", has_text="paused").wait_for()
    shot("comfyui-batch")
    group.get_by_role("button", name="Resume: four cats").click()
    gate.touch()
    view.get_by_text("Earlier batches").click()
    over = view.locator(".batch", has_text="four cats")
    over.get_by_text("4 of 4 over (3 completed, 1 failed)").wait_for()
    over.get_by_role("link", name="four cats").click()
    made = view.get_by_role("region", name="Results")
    made.get_by_text(f"Of batch {batch_id}.").wait_for()
    made.get_by_text("RuntimeError: broken").wait_for()
    if carrier == "browser":
        assert view.evaluate("location.hash") == f"#/comfyui?batch={batch_id}"
    over.get_by_role("button", name="Retry failed: four cats").click()
    assert said(view, "1 failed prompts run again")

    renderer.batch([graphs.gated(other), graphs.output(), graphs.output()], "three dogs")
    group = view.get_by_role("article", name="Batch three dogs")
    group.get_by_text("0 of 3 over, 1 running").wait_for()
    answer(view, group.get_by_role("button", name="Cancel after the current"), "Cancel after the current")
    group.get_by_text("2 of 3 over (2 cancelled), 1 running").wait_for()
    assert said(view, "cancel after current: 2 pending cancelled")
    shot("comfyui-cancelling")
    answer(view, group.get_by_role("button", name="Cancel now"), "Cancel now")
    view.locator(".batch", has_text="three dogs").get_by_text("3 of 3 over (3 cancelled)").wait_for()


@pytest.mark.carriers("browser")
def test_the_queue_is_paused_and_resumed(view: Any, open_at: Open, renderer: Renderer, tmp_path: Path) -> None:
    renderer.submit(graphs.gated(tmp_path / "gate"), "runs")
    renderer.submit(graphs.output(), "waits")
    open_at("/comfyui")
    view.get_by_role("link", name="waits").wait_for()
    view.get_by_role("button", name="Pause the queue").click()
    view.get_by_text("queue paused").wait_for()
    view.get_by_text("1 wait until the queue is resumed.").wait_for()
    view.get_by_role("button", name="Resume the queue").click()
    view.get_by_role("link", name="waits").wait_for()


def test_a_failure_shows_its_node_and_traceback(view: Any, open_at: Open, renderer: Renderer, shot: Shot) -> None:
    graph = _titled(graphs.raising("no such thing", "torch.OutOfMemoryError"), n1="Upscale")
    failed = renderer.run(graph, "too large")
    open_at("/comfyui")
    view.get_by_role("region", name="Results").get_by_role("link", name="too large").click()
    error = view.get_by_role("region", name="Error")
    error.get_by_role("heading", name="Upscale failed SimRaise node 1").wait_for()
    assert "torch.OutOfMemoryError: no such thing" in error.inner_text()
    assert "_raised" in error.get_by_label("Traceback").inner_text()
    view.get_by_text(f"prompt {failed}").wait_for()
    shot("comfyui-failure")
    view.get_by_role("link", name="Back to ComfyUI").click()
    view.get_by_role("region", name="Results").get_by_role("link", name="too large").wait_for()


@pytest.mark.carriers("browser")
def test_what_a_session_has_made_is_shown_alone_and_saved(
    view: Any, open_at: Open, renderer: Renderer, shot: Shot
) -> None:
    renderer.run(graphs.output("one", "cats/one"), "a cat")
    renderer.do(lambda control: control.comfyui.sessions.new("dogs", "/project"))
    renderer.run(graphs.files(graphs.output("two", "two"), graphs.output("three", "three")), "a dog")
    open_at("/comfyui")
    made = view.get_by_role("region", name="Results")
    made.get_by_role("link", name="a cat").wait_for()
    assert made.get_by_role("button", name="Save all on the server").is_hidden()
    made.get_by_label("Session").select_option("session dogs, prompts: 1, in /project")
    made.get_by_role("link", name="a cat").wait_for(state="detached")
    answer(view, made.get_by_role("button", name="Save all on the server"), "Save all on the server")
    assert said(view, "New files in ")
    assert said(view, ": 2")

    made.get_by_label("Status").focus()
    view.page.keyboard.press("End")
    made.get_by_text("Nothing yet.").wait_for()
    made.get_by_label("Status").select_option("")
    made.get_by_role("link", name="a dog").focus()
    view.page.keyboard.press("Enter")
    view.get_by_role("heading", name="a dog completed").wait_for()
    view.wait_for_function("() => [...document.querySelectorAll('figure img')].every((one) => one.naturalWidth > 0)")
    shot("comfyui-prompt")
    with view.page.expect_download() as saving:
        view.get_by_role("button", name="Save: SimOutput (1): two_00001_.png").click()
    assert saving.value.suggested_filename == "two_00001_.png"


@pytest.mark.carriers("browser")
def test_who_may_only_look_is_offered_nothing_else(  # noqa: PLR0917  fixtures
    view: Any, open_at: Open, dashboard: Dashboard, complaints: Complaints, renderer: Renderer, tmp_path: Path
) -> None:
    complaints.expect("Failed to load resource")  # of the first server, which goes
    renderer.submit(graphs.gated(tmp_path / "gate"), "runs")
    dashboard.stop()
    looking = Dashboard(dashboard.cli, "--read-only")
    looking.show(view.page)
    open_at("/comfyui")
    view.get_by_role("region", name="Queue").get_by_role("link", name="runs").wait_for()
    view.locator(".read-only").wait_for()
    assert view.locator("main").get_by_role("button").count() == 0
