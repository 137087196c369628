"""Which of several ComfyUIs takes the next prompt, and what may run on another."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.core.comfyui.pool import (
    FRESH_S,
    Member,
    gives_back,
    is_pool,
    may_take,
    pool_of,
    refused_by_all,
    trouble_of,
)

NOW = 1_000_000.0
MOST = 2


def member(url: str, **known: object) -> Member:
    return replace(Member(url=url, heard_at=NOW), **known)


def test_a_pool_has_one_name_in_whatever_order_its_members_are_given() -> None:
    assert pool_of(["http://b", "http://a"]) == pool_of(["http://a", "http://b"]) == "pool:http://a http://b"
    assert is_pool(pool_of([]))
    assert not is_pool("http://127.0.0.1:8188")


@pytest.mark.parametrize(
    ("mine", "other", "may"),
    [
        ({}, {}, True),  # as full as the other: whoever comes first
        ({"sent": 1}, {}, False),
        ({"queued": 7}, {"sent": 1}, False),  # others' prompts count as well
        ({"sent": 1}, {"queued": 7}, True),
        ({"sent": 1}, {"hold": "it gives no answer"}, True),
        ({"sent": 1}, {"is_paused": True}, True),
        ({"sent": 1}, {"heard_at": None}, True),
        ({"sent": 1}, {"heard_at": NOW - FRESH_S - 1}, True),
        ({"sent": 1}, {"has_choice": False}, True),  # it has refused all that waits
        ({"queued": 9}, {"sent": MOST, "queued": 3}, True),  # the other has as many as it may have
    ],
)
def test_the_least_full_that_takes_prompts_takes_the_next(
    mine: dict[str, object], other: dict[str, object], *, may: bool
) -> None:
    members = [member("http://mine", **mine), member("http://other", **other)]
    assert may_take("http://mine", members, NOW, most=MOST) is may


members = st.lists(
    st.builds(
        Member,
        url=st.sampled_from([f"http://{name}" for name in "abcdef"]),
        hold=st.sampled_from(["", "wedged"]),
        is_paused=st.booleans(),
        heard_at=st.sampled_from([None, NOW, NOW - 2 * FRESH_S]),
        queued=st.integers(0, 5),
        sent=st.integers(0, 3),
        has_choice=st.booleans(),
    ),
    min_size=1,
    unique_by=lambda one: one.url,
)


@given(members)
def test_whatever_is_known_of_the_members_one_of_those_that_can_take_a_prompt_may(found: list[Member]) -> None:
    able = [one for one in found if one.is_in(NOW) and one.has_choice and one.sent < MOST]
    if able:
        assert any(may_take(one.url, found, NOW, most=MOST) for one in able)


@given(members)
def test_none_takes_a_prompt_while_a_less_full_one_can(found: list[Member]) -> None:
    for one in found:
        if may_take(one.url, found, NOW, most=MOST):
            able = [other for other in found if other.is_in(NOW) and other.has_choice and other.sent < MOST]
            assert all(one.load <= other.load for other in able)


@pytest.mark.parametrize(
    ("other", "pending", "given_back"),
    [
        ({"has_choice": False}, {"p1": [], "p2": []}, "p2"),  # the one that would run last
        ({"has_choice": False}, {"p1": [], "p2": ["http://other"]}, "p1"),
        ({"has_choice": False}, {"p1": ["http://other"]}, None),
        ({"has_choice": False}, {}, None),
        ({"has_choice": True}, {"p1": []}, None),  # something waits for it: that first
        ({"has_choice": False, "queued": 1}, {"p1": []}, None),
        ({"has_choice": False, "hold": "wedged"}, {"p1": []}, None),
        ({"has_choice": False, "heard_at": None}, {"p1": []}, None),
    ],
)
def test_a_member_gives_back_what_waits_there_to_one_that_has_nothing_to_do(
    other: dict[str, object], pending: dict[str, list[str]], given_back: str | None
) -> None:
    found = [member("http://mine", sent=2, queued=2, has_choice=False), member("http://other", **other)]
    assert gives_back("http://mine", found, NOW, pending) == given_back


@given(members, st.dictionaries(st.sampled_from(["p1", "p2", "p3"]), st.just(())))
def test_what_was_given_back_is_never_taken_again_by_the_same_member(
    found: list[Member], pending: dict[str, tuple[str, ...]]
) -> None:
    own = replace(found[0], sent=max(1, found[0].sent))  # it has something, or nothing could wait there
    found = [own, *found[1:]]
    if gives_back(own.url, found, NOW, pending):
        afterwards = [replace(one, has_choice=True) for one in found]
        assert not may_take(own.url, afterwards, NOW, most=MOST)


def test_a_prompt_has_failed_once_all_members_have_refused_it_and_says_what_each_said() -> None:
    found = [member("http://a"), member("http://b")]
    assert refused_by_all(found, {"http://a": "no such model"}) == ""
    told = refused_by_all(found, {"http://b": "no such node", "http://a": "no such model"})
    assert told == "http://a: no such model; http://b: no such node"


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ([member("http://a"), member("http://b")], ""),
        ([member("http://a", hold="down"), member("http://b")], "http://a: down"),
        ([member("http://a"), member("http://b", is_paused=True)], "http://b is paused"),
        (
            [member("http://a", hold="down"), member("http://b", hold="wedged")],
            "none of the 2 ComfyUIs takes prompts: http://a: down; http://b: wedged",
        ),
        ([], ""),
    ],
)
def test_a_pool_says_which_members_take_nothing(found: list[Member], told: str) -> None:
    assert trouble_of(found) == told
