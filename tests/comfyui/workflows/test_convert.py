"""What the editor saves becomes the prompt that it would queue, or a refusal that names each node in the way."""

from __future__ import annotations

import copy
import itertools
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.comfyui.wire.node_types import NodeTypes
from mcp_background_job.comfyui.workflows.convert import Chance, converted
from mcp_background_job.errors import WorkflowError
from tests.comfyui.workflows.cases import CASES, NEWER_CASES, OLDER_CASES
from tests.comfyui.workflows.drawing import Json, node, subgraph, workflow
from tests.comfyui.workflows.kinds import OBJECT_INFO

ALL_CASES = CASES | NEWER_CASES | OLDER_CASES
EXPECTED = json.loads((Path(__file__).parent / "expected.json").read_text())
TYPES = NodeTypes(OBJECT_INFO)
CHANCE = Chance(datetime(2026, 3, 7, 9, 5, 1, tzinfo=UTC), lambda _: 0)


def prompt_of(drawn: Json) -> dict[str, Any]:
    return converted(drawn, TYPES, CHANCE, "drawn")


@pytest.mark.parametrize("name", ALL_CASES)
def test_a_workflow_becomes_what_the_front_end_makes_of_it(name: str) -> None:
    made = {
        node_id: {"class_type": one["class_type"], "inputs": one["inputs"]}
        for node_id, one in prompt_of(ALL_CASES[name]).items()
    }
    assert made == EXPECTED[name]


def test_the_workflow_stays_as_it_is() -> None:
    before = copy.deepcopy(ALL_CASES)
    for one in ALL_CASES.values():
        prompt_of(one)
    assert before == ALL_CASES


def test_nodes_have_the_titles_that_people_gave_them() -> None:
    made = prompt_of(CASES["a name from other nodes"])
    assert [one["_meta"]["title"] for one in made.values()] == ["The Blank", "The photo", "The SaveImage"]


def test_a_seed_is_exact_however_large() -> None:
    drawn = workflow([node(1, "OldSeed", [], [("NOISE", "NOISE")], [2**64 - 1, "randomize"]), _tell(2, 1)], [_LINE])
    assert prompt_of(drawn)["1"]["inputs"]["noise_seed"] == 2**64 - 1


def test_values_that_were_saved_by_name_are_taken_by_name() -> None:
    drawn = workflow([node(1, "OldSeed", [], [("NOISE", "NOISE")]), _tell(2, 1)], [_LINE])
    drawn["nodes"][0]["widgets_values"] = {"loud": True, "noise_seed": 4}
    assert prompt_of(drawn)["1"]["inputs"] == {"noise_seed": 4, "loud": True}


def test_a_date_is_that_of_the_submission() -> None:
    save = node(2, "SaveImage", [("images", "IMAGE", 1)], [], ["%date:yyyy-MM-dd hh%_%date:yy.M.d%"])
    photo = node(1, "LoadImage", [], [("IMAGE", "IMAGE"), ("MASK", "MASK")], ["cat.png", "image"])
    made = prompt_of(workflow([photo, save], [(1, 1, 0, 2, 0, "IMAGE")]))
    assert made["2"]["inputs"]["filename_prefix"] == "2026-03-07 09_26.3.7"


def test_a_list_is_kept_apart_from_a_link() -> None:
    drawn = workflow([node(1, "Forced", [], [("INT", "INT")], [["a", 0], "c"]), _tell(2, 1)], [_LINE])
    assert prompt_of(drawn)["1"]["inputs"]["b"] == {"__value__": ["a", 0]}


_LINE = (1, 1, 0, 2, 0, "*")


def _tell(node_id: int, link: int) -> Json:
    return node(node_id, "Tell", [("value", "*", link)])


def _refused(*nodes: Json, lines: Any = (), subgraphs: Any = ()) -> str:
    with pytest.raises(WorkflowError) as refusal:
        prompt_of(workflow(nodes, lines, subgraphs))
    return str(refusal.value)


def test_all_nodes_that_the_server_does_not_have_are_named_at_once_with_what_is_near() -> None:
    told = _refused(
        node(4, "LoadModle", [], [("MODEL", "MODEL")], ["x"]),
        node(7, "LoadModle", [], [("MODEL", "MODEL")], ["x"]),
        node(9, "Zqxj", [("a", "INT", None)]),
        node(11, "PhotoMaker", [("a", "INT", None)], mode=2),
    )
    assert "nodes 4, 7 (LoadModle): the server has no such node; nearest: LoadModel" in told
    assert "node 9 (Zqxj): the server has no such node" in told
    assert "PhotoMaker" not in told


@pytest.mark.parametrize("kind", ["GetNode", "SetNode", "easy getNode"])
def test_links_by_name_are_named_for_what_they_are(kind: str) -> None:
    assert f"node 3 ({kind}): links by a name" in _refused(node(3, kind, [], [("*", "*")], ["model"]))


def test_group_nodes_of_older_editors_are_named_for_what_they_are() -> None:
    assert "node 3 (workflow>upscale): a group node" in _refused(node(3, "workflow>upscale", [], [("*", "*")]))


def test_what_only_shows_something_is_left_out_whatever_extension_it_is_from() -> None:
    drawn = workflow([*CASES["reroutes"]["nodes"], node(9, "Label (rgthree)", [], [], ["hello"])])
    drawn["links"] = CASES["reroutes"]["links"]
    assert set(prompt_of(drawn)) == {"1", "4"}


def test_what_only_a_browser_can_make_is_named() -> None:
    photo = node(1, "Photo", [("image", "WEBCAM", None, "w")], [("IMAGE", "IMAGE")], [None, 640])
    told = _refused(photo, _tell(2, 1), lines=[_LINE])
    assert "node 1 (Photo): its input image is a photo that a browser takes" in told


def test_what_only_a_browser_can_make_is_left_out_where_nothing_needs_it() -> None:
    photo = node(8, "Photo", [("image", "WEBCAM", None, "w")], [("IMAGE", "IMAGE")], [None, 640])
    drawn = workflow([*CASES["reroutes"]["nodes"], photo])
    drawn["links"] = CASES["reroutes"]["links"]
    assert set(prompt_of(drawn)) == {"1", "4"}


def test_a_node_inside_of_a_subgraph_is_named_by_its_path() -> None:
    inner = subgraph("00000000-0000-4000-8000-0000000000c3", [node(5, "Gone", [], [("INT", "INT")])], [])
    told = _refused(node(2, inner["id"]), subgraphs=[inner])
    assert "node 2:5 (Gone)" in told


def test_a_subgraph_in_itself_is_refused() -> None:
    own = "00000000-0000-4000-8000-0000000000d4"
    assert "contains itself" in _refused(node(2, own), subgraphs=[subgraph(own, [node(5, own)], [])])


def test_subgraphs_that_would_fill_the_memory_are_refused() -> None:
    ids = [f"00000000-0000-4000-8000-00000000{at:04d}" for at in range(12)]
    bomb = [subgraph(one, [node(at, deeper) for at in range(1, 11)], []) for one, deeper in itertools.pairwise(ids)]
    assert "more than 50,000 nodes" in _refused(node(2, ids[0]), subgraphs=bomb)


def test_links_in_a_circle_are_refused() -> None:
    reroutes = [node(at, "Reroute", [("", "*", link)], [("", "*")]) for at, link in ((1, 2), (2, 1))]
    told = _refused(*reroutes, _tell(3, 3), lines=[(1, 1, 0, 2, 0, "*"), (2, 2, 0, 1, 0, "*"), (3, 2, 0, 3, 0, "*")])
    assert "form a cycle" in told


def test_a_workflow_of_which_nothing_runs_is_refused() -> None:
    assert "no node that would run" in _refused(node(1, "Note", [], [], ["x"]), _tell(2, 1) | {"mode": 2})


_odd = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 4) | st.text("a1", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["id", "type", "link", "links", "nodes", "inputs", "name", "mode"]), inner, max_size=4
        )
    ),
    max_leaves=10,
)


@given(st.fixed_dictionaries({"nodes": st.lists(_odd, max_size=3), "links": _odd, "definitions": _odd}))
def test_what_no_editor_writes_is_refused_in_words(content: Json) -> None:
    with pytest.raises(WorkflowError, match="drawn"):
        prompt_of(content)
