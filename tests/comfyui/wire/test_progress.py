"""How far a prompt is: from recorded frames and logs, and from frames that no server sends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.comfyui.wire.answers import LogEntry, log_of
from mcp_background_job.comfyui.wire.progress import Progress, after, frame_of, is_final, of_log
from tests.comfyui.recordings import FOLDER, VERSIONS, load


def _read(version: str, name: str) -> list[Progress | None]:
    """Play a recording; returns the progress after each frame."""
    heard: list[Progress | None] = []
    known: Progress | None = None
    for index, event in enumerate(load(version, name)):
        frame = frame_of(json.dumps({"type": event["type"], "data": event.get("data")}))
        assert frame
        known = after(known, frame, at=float(index))
        heard.append(known)
    return heard


@pytest.mark.parametrize("version", VERSIONS)
def test_steps_are_counted_as_recorded(version: str) -> None:
    moments = [one for one in _read(version, "ws_stepped_mine") if one and one.steps > 1]
    assert moments
    steps = [one.step for one in moments if one.node_id == moments[0].node_id]
    assert steps == sorted(steps)
    assert steps[-1] == moments[0].steps
    assert next(one.percent for one in moments if one.step == one.steps) == 100


@pytest.mark.parametrize("version", VERSIONS)
def test_all_nodes_of_a_cached_prompt_are_counted(version: str) -> None:
    last = _read(version, "ws_cached")[-1]
    assert last
    assert last.cached > 0


@pytest.mark.parametrize("version", VERSIONS)
def test_the_last_frame_of_a_prompt_is_known_as_such(version: str) -> None:
    events = load(version, "ws_success")
    frames = [frame_of(json.dumps(event)) for event in events if "type" in event]
    assert [bool(frame and is_final(frame)) for frame in frames].index(True) == len(frames) - 1


def test_every_recorded_frame_is_read() -> None:
    read = 0
    for path in FOLDER.glob("*/ws/*.json"):
        for event in json.loads(path.read_text()):
            if "type" in event:
                frame = frame_of(json.dumps(event))
                assert frame
                after(None, frame, 0.0)
                read += 1
    assert read > 100


def test_previews_are_passed_over() -> None:
    assert frame_of(b"\0\0\0\1\0\0\0\2\x89PNG") is None


_keys = st.sampled_from(["node", "nodes", "value", "max", "state", "prompt_id", "1"]) | st.text(max_size=2)
_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**300, max_value=10**400)
    | st.floats()
    | st.sampled_from(["running", "finished", "1", 1e-320])
)
_json: st.SearchStrategy[Any] = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4), max_leaves=12
)
_types = ["execution_start", "execution_cached", "executing", "progress", "progress_state", "status", 3]
_bodies: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"type": st.sampled_from(_types), "data": _json | st.dictionaries(_keys, _json)}
)
_states = st.fixed_dictionaries(
    {"value": _scalars, "max": _scalars, "state": st.sampled_from(["running", "finished", None])}
)
_likely: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["progress", "progress_state"]),
        "data": st.fixed_dictionaries(
            {"value": _scalars, "max": _scalars, "nodes": st.dictionaries(_keys, _states, max_size=3)}
        ),
    }
)
_messages = st.text() | st.binary() | (_json | _bodies | _likely).map(json.dumps)


@given(st.lists(_messages, max_size=5))
def test_no_frame_ends_the_reading_of_frames(messages: list[str | bytes]) -> None:
    known: Progress | None = None
    for message in messages:
        frame = frame_of(message)
        if frame:
            is_final(frame)
            known = after(known, frame, 0.0)
            assert known is None or known.percent is None or 0 <= known.percent <= 100


@pytest.mark.parametrize("message", ["[" * 100_000, '{"type":' * 100_000, "9" * 10_000, '{"type": "progress"}'])
def test_a_bomb_is_no_frame_or_one_that_says_nothing(message: str) -> None:
    frame = frame_of(message)
    assert frame is None or after(None, frame, 0.0) == Progress("websocket")


# The log ---------------------------------------------------------------------------------------------------------


def _log(*lines: str) -> list[LogEntry]:
    return log_of({"entries": [{"t": "2026-01-01T00:00:00", "m": line} for line in lines]})


_BAR = "\r 40%|████      | 4/10 [00:02<00:03,  2.00it/s]"

LOGS: dict[str, tuple[list[str], tuple[int, int] | None]] = {
    "a bar": ([_BAR], (4, 10)),
    "a bar, drawn over and over": (["\r 10%|█         | 1/10 [00:01<?]" + _BAR], (4, 10)),
    "a bar of this prompt": (["got prompt\n", _BAR], (4, 10)),
    "a bar of the last prompt": ([_BAR, "Prompt executed in 3.1 seconds\n"], None),
    "a bar of one that was interrupted": ([_BAR, "Processing interrupted\n"], None),
    "a bar of one that failed": ([_BAR, "!!! Exception during processing !!! no\n"], None),
    "a bar before another was queued": ([_BAR, "[INFO] got prompt\n"], None),
    "nothing": ([], None),
    "lines": (["loading 4/10", "40 percent"], None),
}


@pytest.mark.parametrize("name", LOGS)
def test_the_newest_bar_counts_if_no_prompt_began_or_ended_since(name: str) -> None:
    lines, expected = LOGS[name]
    found = of_log(_log(*lines))
    assert ((found.step, found.steps) if found else None) == expected
    assert not found or (found.source, found.percent) == ("log", 40)


@given(st.lists(st.text(alphabet="0123456789%|/ █\r", max_size=60) | st.just(f"5%|x| {'9' * 400}/{'9' * 500}")))
def test_no_log_ends_the_reading_of_logs(lines: list[str]) -> None:
    found = of_log(_log(*lines))
    assert found is None or found.percent is None or 0 <= found.percent <= 100
