"""Which option an answer means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.agents.adapters.answers import ALLOW, DENY, choose, option_of_kind
from mcp_background_job.errors import InvalidRequestError

OPTIONS = [
    {"option_id": "a1", "name": "Always, for this session", "kind": "allow_always"},
    {"option_id": "a2", "name": "Go on", "kind": "allow_once"},
    {"option_id": "r1", "name": "Stop", "kind": "reject_once"},
]


@pytest.mark.parametrize(
    ("text", "data", "option"),
    [
        ("yes", {}, "a2"),
        ("Yes!", {}, "a2"),
        ("no", {}, "r1"),
        ("allow_always", {}, "a1"),
        ("go on", {}, "a2"),
        ("r1", {}, "r1"),
        ("yes", {"option_id": "r1"}, "r1"),
        ("yes", {"decision": "deny"}, "r1"),
        ("", {"decision": "allow_once"}, "a2"),
        ("no", {"option_id": "a1", "decision": "deny"}, "a1"),
    ],
)
def test_an_answer_means_an_option(text: str, data: dict[str, str], option: str) -> None:
    assert choose(OPTIONS, text, data) == option


@pytest.mark.parametrize("text", ["", "perhaps", "yes, but not that file", "allow_sometimes"])
def test_what_is_not_clear_is_no_answer(text: str) -> None:
    with pytest.raises(InvalidRequestError, match="'a2' \\(Go on\\)"):
        choose(OPTIONS, text, {})


def test_without_an_option_to_refuse_a_no_is_no_answer() -> None:
    with pytest.raises(InvalidRequestError):
        choose(OPTIONS[:2], "no", {})


_KINDS = st.sampled_from([*ALLOW, *DENY])
_OPTION = st.fixed_dictionaries({"option_id": st.text(min_size=1), "name": st.text(), "kind": _KINDS})


@given(st.lists(_OPTION, min_size=1), st.sampled_from(["yes", "allow", "ok"]))
def test_a_yes_never_means_an_option_that_refuses_nor_for_ever_if_once_is_offered(
    options: list[dict[str, str]], word: str
) -> None:
    names = {option["option_id"] for option in options} | {option["name"].casefold() for option in options}
    if word in names:
        return
    try:
        chosen = choose(options, word, {})
    except InvalidRequestError:
        assert option_of_kind(options, ALLOW) is None
        return
    kinds = {option["kind"] for option in options if option["option_id"] == chosen}
    assert kinds & set(ALLOW)
    assert "allow_once" in kinds or "allow_once" not in {option["kind"] for option in options}
