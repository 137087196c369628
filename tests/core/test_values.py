"""Values are what frozen dataclasses are: held to those."""

from __future__ import annotations

import dataclasses
from dataclasses import field
from typing import Any

import pytest

from mcp_background_job.core.values import frozen


@frozen
class Pot:
    """What is compared with the dataclass below."""

    volume: int
    label: str = "plain"
    lids: list[str] = field(default_factory=list[str])
    secret: str = field(default="", repr=False)


@frozen
class LargePot(Pot):
    handles: int = 2


@frozen
class Nothing:
    """A value without fields."""


@dataclasses.dataclass(frozen=True)
class Their:
    volume: int
    label: str = "plain"
    lids: list[str] = field(default_factory=list[str])
    secret: str = field(default="", repr=False)


@pytest.mark.parametrize(
    ("given", "named"),
    [((3,), {}), ((), {"volume": 3, "label": "x"}), ((3, "y", ["lid"]), {"secret": "s"})],
)
def test_a_value_has_the_fields_of_a_dataclass(given: tuple[Any, ...], named: dict[str, Any]) -> None:
    ours, theirs = Pot(*given, **named), Their(*given, **named)

    assert dataclasses.asdict(ours) == dataclasses.asdict(theirs)
    assert repr(ours) == repr(theirs).replace("Their", "Pot")
    assert list(vars(ours)) == list(vars(theirs))


@pytest.mark.parametrize(("given", "named"), [((), {}), ((1, "a", ["lid"], "", 5), {}), ((1,), {"colour": "red"})])
def test_a_value_that_cannot_be_made_is_told_as_of_a_dataclass(given: tuple[Any, ...], named: dict[str, Any]) -> None:
    with pytest.raises(TypeError) as theirs:
        Their(*given, **named)
    with pytest.raises(TypeError) as ours:
        Pot(*given, **named)

    assert str(ours.value) == str(theirs.value).replace("Their", "Pot")


def test_values_are_equal_by_their_fields_and_class() -> None:
    assert Pot(1) == Pot(1)
    assert Pot(1) != Pot(2)
    assert Pot(1) != Their(1)
    assert Pot(1) != LargePot(1)
    assert Nothing() == Nothing()
    assert len({Nothing(), Nothing()}) == 1


def test_each_value_has_a_default_of_its_own() -> None:
    first, second = Pot(1), Pot(1)
    first.lids.append("lid")

    assert second.lids == []
    assert Pot(1, lids=["lid"]).lids == ["lid"]


def test_a_value_is_replaced_and_extended() -> None:
    large = LargePot(4, handles=3)

    assert dataclasses.replace(large, label="tall") == LargePot(4, "tall", handles=3)
    assert [item.name for item in dataclasses.fields(LargePot)] == ["volume", "label", "lids", "secret", "handles"]
    with pytest.raises(TypeError, match="unhashable"):
        hash(large)
