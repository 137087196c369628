"""How far each node is: from recorded frames, and from what older and odder servers send."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mcp_background_job.comfyui.wire.nodes import Live, Node, after
from mcp_background_job.comfyui.wire.progress import Frame, frame_of
from tests.comfyui.recordings import VERSIONS, load


def _play(*frames: tuple[str, dict[str, Any]], live: Live | None = None) -> Live:
    for kind, data in frames:
        live = after(live, Frame(kind, "p", data))
    assert live
    return live


@pytest.mark.parametrize("version", VERSIONS)
def test_nodes_move_as_recorded_and_are_all_done_at_the_end(version: str) -> None:
    live: Live | None = None
    steps: list[float] = []
    for event in load(version, "ws_stepped_mine"):
        frame = frame_of(json.dumps({"type": event["type"], "data": event.get("data")}))
        assert frame
        live = after(live, frame)
        if live and live.running:
            steps.append(live.nodes[live.running].step)
    assert live
    assert max(steps) > 1
    assert live.nodes
    assert all(node.is_done for node in live.nodes.values())


def test_a_server_that_tells_one_node_at_a_time_has_done_those_before() -> None:
    live = _play(
        ("execution_start", {}),
        ("execution_cached", {"nodes": ["1", 2]}),
        ("executing", {"node": "3"}),
        ("progress", {"node": "3", "value": 4, "max": 20}),
        ("executing", {"node": "4"}),
    )
    assert live.cached == ("1", "2")
    assert live.nodes == {"3": Node(4, 20, is_done=True), "4": Node()}
    assert live.running == "4"


def test_several_nodes_run_at_once_where_the_server_says_so() -> None:
    state = {"3": {"state": "running", "value": 1, "max": 2}, "4": {"state": "running", "value": 0, "max": 1}}
    live = _play(("progress_state", {"nodes": state}))
    assert [node.is_done for node in live.nodes.values()] == [False, False]


def test_a_prompt_that_begins_anew_begins_with_nothing() -> None:
    before = Live(nodes={"9": Node(is_done=True)}, cached=("1",))
    assert _play(("execution_start", {}), live=before) == Live()


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("progress_state", {"nodes": {"1": 5, "2": {"value": "x", "max": float("inf")}}}),
        ("progress_state", {"nodes": []}),
        ("execution_cached", {"nodes": "all"}),
        ("progress", {}),
        ("executed", {}),
    ],
)
def test_odd_frames_break_nothing(kind: str, data: dict[str, Any]) -> None:
    _play((kind, data))


def test_frames_of_the_queue_say_nothing_of_nodes() -> None:
    assert after(None, Frame("status", "", {})) is None
    assert after(Live(), Frame("executing", "p", {"node": None})) == Live()
