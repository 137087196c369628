from __future__ import annotations

from typing import Any

import pytest

from mcp_background_job.cli.comfyui.prompts.overrides import overrides_of, values_of
from mcp_background_job.errors import InvalidRequestError


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1,2,3", [1, 2, 3]),
        ("1, 2", [1, 2]),
        ("7.5", [7.5]),
        ("true,null", [True, None]),
        ("euler,dpmpp_2m", ["euler", "dpmpp_2m"]),
        ("euler,3", ["euler", 3]),
        ("euler,null", ["euler", None]),
        ("a cat, blue,a dog, red", ["a cat, blue", "a dog, red"]),
        ('["a cat, blue","a dog"]', ["a cat, blue", "a dog"]),
        ('"a,b","c"', ["a,b", "c"]),
        ('{"a": [1,2]}', [{"a": [1, 2]}]),
        ("[1,2],[3]", [[1, 2], [3]]),
        ("[]", []),
        ("", [""]),
        ("NaN,Infinity", ["NaN", "Infinity"]),
        ("[" * 5000, ["[" * 5000]),
        ("a=b", ["a=b"]),
    ],
)
def test_values_are_what_they_are_in_json_and_else_text(text: str, values: list[Any]) -> None:
    found = values_of(text)
    assert found == values
    assert list(map(type, found)) == list(map(type, values))


def test_options_that_name_the_same_path_add_to_each_other() -> None:
    options = ["3.inputs.seed=1", "6.inputs.text=a cat, blue", "3.inputs.seed=2,3"]
    assert overrides_of(options) == {"3.inputs.seed": [1, 2, 3], "6.inputs.text": ["a cat, blue"]}


@pytest.mark.parametrize("option", ["3.inputs.seed", "=1", " =1", ""])
def test_an_option_without_path_or_values_is_refused_with_an_example(option: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"3\.inputs\.seed=1,2,3"):
        overrides_of([option])
