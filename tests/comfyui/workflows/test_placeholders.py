"""Texts are sent as the editor writes them when it queues a prompt."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mcp_background_job.comfyui.workflows.placeholders import chosen, filled

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

CHOICES = {
    "plain": "plain",
    "a {red|blue} car": "a blue car",
    "{a|{b|c}}": "c",
    "{a|b|{c|d} e}": "d e",
    r"\{a|b\}": "{a|b}",
    r"{a|b\|c}": "b|c",
    "{only}": "only",
    "{open|end": "end",
    "a /* not\nthis */ b // nor this\nc": "a  b \nc",
    "a}": "a}",
    "ends with \\": "ends with \\",
}


@pytest.mark.parametrize("text", CHOICES)
def test_of_choices_one_is_sent(text: str) -> None:
    assert chosen(text, lambda count: count - 1) == CHOICES[text]


PLACEHOLDERS = {
    "plain": "plain",
    "%date:yyyy/MM/dd%/x": "2026/01/02/x",
    "%date:yy-M-d h:m:s%": "26-1-2 3:4:5",
    "%date:hhmmss%": "030405",
    "%KSampler.seed%": "12",
    "%KSampler.name%": "a_b_c",
    "%KSampler.none%": "%KSampler.none%",
    "%width%x%height%": "%width%x%height%",
    "100%": "100%",
    "%a.b.c%": "%a.b.c%",
}


@pytest.mark.parametrize("text", PLACEHOLDERS)
def test_placeholders_are_filled_as_far_as_something_is_known(text: str) -> None:
    known = {("KSampler", "seed"): "12", ("KSampler", "name"): "a/b:c"}
    assert filled(text, NOW, lambda name, widget: known.get((name, widget))) == PLACEHOLDERS[text]
