"""Values for inputs make prompts of a workflow: which, how many, in what order, and what is said of wrong ones."""

from __future__ import annotations

import copy
import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.comfyui.prompts.graphs.overrides import Combine, applied, as_note, expand
from mcp_background_job.errors import WorkflowError

GRAPH: dict[str, Any] = {
    "3": {"class_type": "KSampler", "inputs": {"seed": 1, "cfg": 7.0, "model": ["4", 0]}, "_meta": {"title": "a"}},
    "57:3.1": {"class_type": "Deep", "inputs": {"a.b": 1, "x.inputs.y": 2, "": 3}},
    "5": {"class_type": "Bare"},
    "6": {"class_type": "Odd", "inputs": ["seed"]},
    "7": "no node",
}


def _expand(overrides: dict[str, Any], combine: Combine = "product", *, limit: int = 1000) -> list[dict[str, Any]]:
    return [dict(values) for values in expand(GRAPH, overrides, combine, limit=limit)]


# -- expand ------------------------------------------------------------------------------------------------------------


def test_all_combinations_are_made_the_last_path_changing_fastest() -> None:
    assert _expand({"3.inputs.seed": [1, 2], "3.inputs.cfg": [5, 6]}) == [
        {"3.inputs.seed": 1, "3.inputs.cfg": 5},
        {"3.inputs.seed": 1, "3.inputs.cfg": 6},
        {"3.inputs.seed": 2, "3.inputs.cfg": 5},
        {"3.inputs.seed": 2, "3.inputs.cfg": 6},
    ]


def test_zipped_lists_are_taken_one_by_one() -> None:
    assert _expand({"3.inputs.seed": [1, 2], "3.inputs.cfg": [5, 6]}, "zip") == [
        {"3.inputs.seed": 1, "3.inputs.cfg": 5},
        {"3.inputs.seed": 2, "3.inputs.cfg": 6},
    ]


@pytest.mark.parametrize("combine", ["product", "zip"])
def test_no_overrides_make_one_prompt_as_the_workflow_is(combine: Combine) -> None:
    assert _expand({}, combine) == [{}]


@pytest.mark.parametrize("path", ["3.inputs.seed", "57:3.1.inputs.a.b", "57:3.1.inputs.x.inputs.y", "57:3.1.inputs."])
def test_dots_in_ids_and_names_are_part_of_them(path: str) -> None:
    [values] = _expand({path: [9]})
    changed = applied(GRAPH, values)

    node_id, _, name = path.partition(".inputs.")
    assert changed[node_id]["inputs"][name] == 9


@pytest.mark.parametrize("value", [0, "", None, True, [1, 2], {"a": 1}, 2**70])
def test_a_value_may_be_whatever_a_graph_may_hold(value: Any) -> None:
    [values] = _expand({"3.inputs.seed": [value]})

    assert applied(GRAPH, values)["3"]["inputs"]["seed"] == value


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("3.seed", "overrides: '3.seed' is not the path of an input; write it like \"3.inputs.seed\""),
        ("seed", "overrides: 'seed' is not the path of an input; write it like \"3.inputs.seed\""),
        ("", "overrides: '' is not the path of an input; write it like \"3.inputs.seed\""),
        ("8.inputs.seed", "overrides: 8.inputs.seed: the workflow has no node '8'; it has 3, 57:3.1, 5, 6, 7"),
        (".inputs.seed", "overrides: .inputs.seed: the workflow has no node ''; it has 3, 57:3.1, 5, 6, 7"),
        ("7.inputs.seed", "overrides: 7.inputs.seed: the workflow has no node '7'; it has 3, 57:3.1, 5, 6, 7"),
        (
            "3.inputs.sed",
            "overrides: 3.inputs.sed: node 3 KSampler has no input 'sed'; it has seed, cfg, model",
        ),
        ("5.inputs.seed", "overrides: 5.inputs.seed: node 5 Bare has no input 'seed'; it has none"),
        ("6.inputs.seed", "overrides: 6.inputs.seed: node 6 Odd has no input 'seed'; it has none"),
    ],
)
def test_a_path_that_names_no_input_is_refused_with_what_there_is(path: str, said: str) -> None:
    with pytest.raises(WorkflowError) as refusal:
        _expand({path: [1]})
    assert str(refusal.value) == said
    with pytest.raises(WorkflowError) as refusal:
        applied(GRAPH, {path: 1})
    assert str(refusal.value) == said


def test_of_many_names_some_are_listed() -> None:
    graph: dict[str, Any] = {str(place): {"class_type": "A", "inputs": {}} for place in range(100)}

    with pytest.raises(WorkflowError, match=r"it has 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 88 more$"):
        expand(graph, {"a.inputs.b": [1]}, "product", limit=5)


@pytest.mark.parametrize("values", [1, "123", None, {"a": 1}, (1, 2), "x" * 1000])
def test_values_that_are_no_list_are_refused_and_a_text_is_none(values: Any) -> None:
    with pytest.raises(WorkflowError, match=r"overrides: 3.inputs.seed takes a list of values, not ") as refusal:
        _expand({"3.inputs.seed": values})
    assert len(str(refusal.value)) < 200


def test_an_empty_list_is_refused_since_it_makes_no_prompt() -> None:
    with pytest.raises(WorkflowError, match=r"3.inputs.seed has an empty list of values"):
        _expand({"3.inputs.cfg": [1], "3.inputs.seed": []})


def test_lists_of_different_lengths_are_not_zipped_and_the_way_out_is_told() -> None:
    with pytest.raises(WorkflowError, match=r'3.inputs.seed has 3, 3.inputs.cfg has 2; or combine="product"'):
        _expand({"3.inputs.seed": [1, 2, 3], "3.inputs.cfg": [5, 6]}, "zip")


@pytest.mark.parametrize(("combine", "number"), [("product", 100), ("zip", 10)])
def test_more_prompts_than_a_batch_has_are_refused_before_they_are_made(combine: Combine, number: int) -> None:
    overrides = {"3.inputs.seed": list(range(10)), "3.inputs.cfg": list(range(10))}

    assert len(_expand(overrides, combine, limit=number)) == number
    with pytest.raises(WorkflowError, match=f"that makes {number} prompts, and a batch has at most {number - 1}$"):
        _expand(overrides, combine, limit=number - 1)
    # As many as there are grains of sand: refused at once.
    many = {f"{place}": {"class_type": "A", "inputs": {"s": 0}} for place in range(20)}
    with pytest.raises(WorkflowError, match="a batch has at most"):
        expand(many, {f"{node}.inputs.s": list(range(1000)) for node in many}, "product", limit=100_000)


_PATHS = ["3.inputs.seed", "3.inputs.cfg", "57:3.1.inputs.a.b", "57:3.1.inputs.x.inputs.y"]
_VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3), st.lists(st.integers(), max_size=2))


@given(lists=st.dictionaries(st.sampled_from(_PATHS), st.lists(_VALUES, min_size=1, max_size=4), max_size=4))
def test_a_product_is_every_choice_of_one_value_per_path_in_order(lists: dict[str, list[Any]]) -> None:
    found = _expand(lists)

    assert len(found) == math.prod(map(len, lists.values()))
    assert [tuple(values.values()) for values in found] == list(itertools.product(*lists.values()))
    assert all(list(values) == list(lists) for values in found)


@given(
    rows=st.lists(st.tuples(_VALUES, _VALUES, _VALUES), min_size=1, max_size=5),
    paths=st.permutations(_PATHS),
)
def test_a_zip_is_the_rows_in_order(rows: list[tuple[Any, ...]], paths: list[str]) -> None:
    lists = {path: list(column) for path, column in zip(paths, zip(*rows, strict=True), strict=False)}

    assert [tuple(values.values()) for values in _expand(lists, "zip")] == rows


# -- applied -----------------------------------------------------------------------------------------------------------


@given(values=st.dictionaries(st.sampled_from(_PATHS), _VALUES, max_size=4))
def test_only_the_named_inputs_change_and_the_graph_given_never_does(values: dict[str, Any]) -> None:
    before = copy.deepcopy(GRAPH)
    changed = applied(GRAPH, values)

    assert before == GRAPH
    expected = copy.deepcopy(GRAPH)
    for path, value in values.items():
        node_id, _, name = path.partition(".inputs.")
        expected[node_id]["inputs"][name] = value
    assert changed == expected
    assert list(changed) == list(GRAPH)


# -- notes -------------------------------------------------------------------------------------------------------------


def test_a_note_tells_in_a_line_how_a_prompt_differs() -> None:
    assert as_note({}) == ""
    assert as_note({"3.inputs.seed": 3, "3.inputs.cfg": 7.5, "6.inputs.text": "a cat"}) == "seed=3, cfg=7.5, text=a cat"
    assert as_note({"3.inputs.model": ["4", 0], "3.inputs.on": True}) == 'model=["4", 0], on=true'
    assert as_note({"6.inputs.text": "a cat,\n\ton a mat"}) == "text=a cat, on a mat"
    assert as_note({"6.inputs.text": "a" * 100}) == f"text={'a' * 39}…"


@given(st.dictionaries(st.sampled_from(_PATHS), _VALUES, max_size=4))
def test_a_note_is_one_line(values: dict[str, Any]) -> None:
    assert len(as_note(values).splitlines()) <= 1
