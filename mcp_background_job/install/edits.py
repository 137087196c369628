"""A change of a text: what was in one place, and what is there now. It can be undone wherever it is found again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.install.wishes import Format, Wish


@dataclass(frozen=True)
class Edit:
    """One change.

    Attributes:
        start: how many characters stand before it.
        old: the text before the change.
        new: the text after the change.
    """

    start: int
    old: str
    new: str

    @classmethod
    def between(cls, before: str, after: str) -> Edit:
        """Return the smallest change that turns one text into another."""
        start = _common(before, after)
        same = _common(before[start:][::-1], after[start:][::-1])
        return cls(start, before[start : len(before) - same], after[start : len(after) - same])

    def undone(self, text: str, marks: Sequence[str]) -> str | None:
        """Return the text as it was before; None if it is unclear where this change stands now.

        Args:
            text: the text as it is.
            marks: if the change is no longer in its place, it must contain one of these; a short text alone proves
            nothing.
        """
        start = self.start
        if not text.startswith(self.new, start):
            if text.count(self.new) != 1 or not any(mark in self.new for mark in marks):
                return None
            start = text.index(self.new)
        return text[:start] + self.old + text[start + len(self.new) :]


def grant(kind: Format, text: str, wish: Wish) -> str:
    """Return the text with the wanted entry; it stays unchanged if the entry is there already.

    Raises:
        ValueError: the text cannot be parsed; the message says where.
        InvalidRequestError: the text has a form into which the entry cannot be inserted.
    """
    value = kind.read(text)
    expected = wish.granted_in(value, first=kind.new_first)
    if _comparable(expected) == _comparable(value):
        return text
    granted = kind.granted(text, wish)
    _prove(_read(kind, granted), expected)
    return granted


def revoke(kind: Format, text: str, wish: Wish) -> str:
    """Return the text without the wanted entry.

    Raises:
        ValueError: the text cannot be parsed; the message says where.
        InvalidRequestError: the text has a form from which the entry cannot be removed.
    """
    value = kind.read(text)
    while wish.found_in(value) is not None:
        value = wish.absent_from(value)
        text = kind.revoked(text, wish)
        # A TOML table that held nothing but the removed entry vanishes with it.
        _prove(_filled(_read(kind, text)), _filled(value))
    return text


def _common(one: str, other: str) -> int:
    """Return the number of equal characters at the start of two texts."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((number for number, (left, right) in pairs if left != right), min(len(one), len(other)))


def same_otherwise(kind: Format, texts: Sequence[str], wishes: Sequence[Wish]) -> bool:
    """Tell whether texts say the same, apart from the wanted entries and from objects and arrays that are empty."""
    return len({_comparable(_rest(kind, text, wishes)) for text in texts}) == 1


def _rest(kind: Format, text: str, wishes: Sequence[Wish]) -> object:
    try:
        value = kind.read(text)
    except ValueError:
        return text
    for wish in wishes:
        value = wish.absent_from(value)
    return _filled(value)


def _filled(value: Any) -> Any:
    """Return a value without the empty objects and arrays in it."""
    if isinstance(value, dict):
        filled = {key: _filled(item) for key, item in cast("dict[str, Any]", value).items()}
        return {key: item for key, item in filled.items() if item not in ({}, [])}
    if isinstance(value, list):
        return [_filled(item) for item in cast("list[Any]", value)]
    return value


def _read(kind: Format, text: str) -> Any:
    try:
        return kind.read(text)
    except ValueError:
        return None


def _prove(value: object, expected: object) -> None:
    """Check that an edited text says what it should, so that a bad edit is found here and not by the client."""
    if _comparable(value) != _comparable(expected):
        raise InvalidRequestError("it is written in a way that this program cannot edit; edit it by hand")


def _comparable(value: object) -> str:
    """Return a text that is the same only for the same values; unlike ``==``, it knows NaN, and 1 from true."""
    return json.dumps(value, sort_keys=True, default=repr)
