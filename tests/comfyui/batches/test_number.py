"""Very many prompts are made only by who says how many."""

from __future__ import annotations

import pytest

from mcp_background_job.comfyui.batches.making import UNASKED, check_number, items_of
from mcp_background_job.comfyui.prompts.graphs import workflow
from mcp_background_job.errors import InvalidRequestError
from tests.comfyui_simulator.nodes import graphs

ITEMS = items_of([workflow.of_api(graphs.output())], {}, "product")


@pytest.mark.parametrize(("number", "expect"), [(1, None), (UNASKED, None), (UNASKED + 1, UNASKED + 1), (3, 3)])
def test_a_number_that_was_said_or_is_not_large_is_meant(number: int, expect: int | None) -> None:
    check_number(ITEMS * number, expect=expect)


@pytest.mark.parametrize(
    ("number", "expect", "told"),
    [
        (UNASKED + 1, None, r"this makes 1,001 prompts. Nothing was submitted: expect=1001"),
        (UNASKED + 1, 100, r"expect=100: this makes 1001 prompts"),
        (2, 3, r"expect=3: this makes 2 prompts"),
    ],
)
def test_a_number_that_nobody_said_is_refused_with_it(number: int, expect: int | None, told: str) -> None:
    with pytest.raises(InvalidRequestError, match=told):
        check_number(ITEMS * number, expect=expect)


def test_all_workflows_and_all_values_count() -> None:
    graph = workflow.of_api(graphs.stepped(1, 0.1))
    items = items_of([graph, graph], {"1.inputs.steps": [*range(30)], "1.inputs.seconds": [*range(20)]}, "product")
    with pytest.raises(InvalidRequestError, match=r"1,200 prompts"):
        check_number(items, expect=None)
