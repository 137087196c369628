"""What nodes leave is read as files where it names files, and shown as what it is where it does not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.comfyui.wire import answers, node_outputs
from mcp_background_job.comfyui.wire.node_outputs import MAX_TEXT, OutputFile
from tests.comfyui.recordings import VERSIONS, load

IMAGE = {"filename": "a.png", "subfolder": "s", "type": "temp"}


def files(ui: Any) -> list[tuple[str, str, str, str]]:
    made = node_outputs.read({"4": ui})
    return [(file.kind, file.subfolder, file.filename, file.type) for file in made.outputs]


def shown(ui: Any) -> list[tuple[str, str]]:
    return [(one.kind, one.text) for one in node_outputs.read({"4": ui}).shown]


@pytest.mark.parametrize(
    ("ui", "texts"),
    [
        ({"text": ["hello world"]}, [("text", "hello world")]),
        ({"text": ["one", "two\nthree"]}, [("text", "one\ntwo\nthree")]),
        ({"string": [["wrapped", "twice"]]}, [("string", "wrapped\ntwice")]),
        ({"text": "bare"}, [("text", "bare")]),
        ({"value": [3.5]}, [("value", "3.5")]),
        ({"bg_color": [[0, 1, 2]], "ok": [True]}, [("bg_color", "[0, 1, 2]"), ("ok", "true")]),
        ({"stats": [{"mean": 0.5, "name": "é"}]}, [("stats", '{"mean": 0.5, "name": "é"}')]),
        ({"text": [None], "more": None, "empty": []}, []),
        ({"images": [IMAGE], "animated": [True]}, []),
        ({"text": [""]}, [("text", "")]),
    ],
)
def test_what_is_no_file_is_shown_as_what_it_is(ui: Any, texts: list[tuple[str, str]]) -> None:
    assert shown(ui) == texts


@pytest.mark.parametrize(
    ("ui", "named"),
    [
        ({"images": [IMAGE]}, [("images", "s", "a.png", "temp")]),
        ({"gifs": [{"filename": "b.mp4", "frame_rate": 8}]}, [("gifs", "", "b.mp4", "output")]),
        ({"result": ["3d/thing.glb", None]}, [("result", "3d", "thing.glb", "output")]),
        ({"result": ["Statue.STL"]}, [("result", "", "Statue.STL", "output")]),
        ({"result": ["a\\b\\c.ply", {"position": 1}]}, [("result", "a/b", "c.ply", "output")]),
        ({"result": [None, None, "temp/bg.png"]}, [("result", "", "bg.png", "temp")]),
        ({"result": ["the answer is in a.txt"]}, []),
        ({"text": ["see thing.glb"]}, []),
        ({"images": [{"filename": "a.png"}]}, [("images", "", "a.png", "output")]),
    ],
)
def test_files_are_named(ui: Any, named: list[tuple[str, str, str, str]]) -> None:
    assert files(ui) == named


def test_a_file_and_a_text_of_one_node_are_both_there() -> None:
    ui = {"images": [IMAGE, "and a word"], "result": ["x/y.obj", {"zoom": 2}]}
    assert len(files(ui)) == 2
    assert shown(ui) == [("images", "and a word"), ("result", '{"zoom": 2}')]


def test_a_text_without_end_is_kept_in_part_and_its_length_is_known() -> None:
    [one] = node_outputs.read({"4": {"text": ["x" * (MAX_TEXT + 7)]}}).shown
    assert (len(one.text), one.length, one.is_whole) == (MAX_TEXT, MAX_TEXT + 7, False)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(ANYTHING)
def test_whatever_a_server_sends_is_read(outputs: Any) -> None:
    made = node_outputs.read(outputs)
    assert all(isinstance(file, OutputFile) for file in made.outputs)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_cache_is_told_from_a_run(version: str) -> None:
    [finished] = answers.history_of(load(version, "history_id_success")["response"]["json"])
    assert not finished.is_from_cache


@pytest.mark.parametrize(
    ("cached", "targets", "is_from_cache"),
    [(["1", "9"], ["9"], True), (["1"], ["9"], False), (["9"], ["9", "10"], False), ([], [], False)],
)
def test_what_made_none_of_its_outputs_anew_is_from_the_cache(
    cached: list[str], targets: list[str], *, is_from_cache: bool
) -> None:
    entry: dict[str, Any] = {
        "prompt": [0, "one", {"1": {}, "9": {}}, {}, targets],
        "outputs": {"9": {"images": [IMAGE]}},
        "status": {"status_str": "success", "messages": [["execution_cached", {"nodes": cached}]]},
    }
    finished = answers.finished_of({"one": entry}, "one")
    assert finished is not None
    assert finished.is_from_cache is is_from_cache


def test_a_traceback_has_no_lines_of_carets() -> None:
    lines = [
        '  File "a.py", line 1, in f\n    return g(1) + h(2)\n           ^^^^\n',
        '  File "a.py", line 2, in g\n    x = a["k"]["l"] ^ b\n        ~~~~~~^^^^^\n',
        '  File "a.py", line 3, in h\n    raise ValueError\n',
    ]
    entry = {"status": {"status_str": "error", "messages": [["execution_error", {"traceback": lines}]]}}
    finished = answers.finished_of({"one": entry}, "one")
    assert finished is not None
    assert finished.failure is not None
    assert finished.failure.traceback == (
        '  File "a.py", line 1, in f\n    return g(1) + h(2)\n',
        '  File "a.py", line 2, in g\n    x = a["k"]["l"] ^ b\n',
        '  File "a.py", line 3, in h\n    raise ValueError\n',
    )
