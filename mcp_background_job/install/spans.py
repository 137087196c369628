"""Reads JSON with comments and trailing commas, as clients keep it, and tells where each part stands in the text.

A value is never written out again: edits are made in the text itself, so everything else stays unchanged.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

_COMMENT = re.compile(r"//[^\r\n]*|/\*.*?\*/", re.DOTALL)
_SPACE = re.compile(r"[ \t\r\n]*")
_CLOSING = {"{": "}", "[": "]"}


@dataclass(frozen=True)
class Part:
    """A member of an object, or an element of an array (whose key is empty).

    Attributes:
        start: where its key begins, or its value if it has no key.
        comma: where the comma after it stands; None if there is none.
    """

    key: str
    start: int
    node: Node
    comma: int | None


@dataclass(frozen=True)
class Node:
    """A value, and where it stands.

    Attributes:
        end: where the text after it begins.
        parts: the parts of an object or array; None for other values.
    """

    start: int
    end: int
    value: Any
    parts: tuple[Part, ...] | None = None

    def last(self, key: str) -> Part | None:
        """Return the member with this key; if there are several, the last one, which counts."""
        found = [part for part in self.parts or () if part.key == key]
        return found[-1] if found and isinstance(self.value, dict) else None


def read(text: str) -> Node:
    """Return the value of the whole text.

    Raises:
        ValueError: the text is not JSON; the message says where.
    """
    try:
        node = _value(text, skipped(text, 1 if text.startswith("\ufeff") else 0))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if (end := skipped(text, node.end)) < len(text):
        _expected("the end", text, end)
    return node


def skipped(text: str, at: int) -> int:
    """Return the offset of the next character that is neither white space nor in a comment."""
    at = after_space(text, at)
    while comment := _COMMENT.match(text, at):
        at = after_space(text, comment.end())
    return at


def after_space(text: str, at: int) -> int:
    """Return the offset after the white space that begins here."""
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _value(text: str, at: int) -> Node:
    if text[at : at + 1] in _CLOSING:
        return _container(text, at)
    value, end = _scalar(text, at)
    return Node(at, end, value)


def _container(text: str, start: int) -> Node:
    is_object = text[start] == "{"
    closing = _CLOSING[text[start]]
    parts: list[Part] = []
    at = skipped(text, start + 1)
    while text[at : at + 1] != closing:
        if parts and parts[-1].comma is None:
            _expected(f"a comma or {closing}", text, at)
        part = _part(text, at, is_object=is_object)
        parts.append(part)
        at = skipped(text, part.node.end if part.comma is None else part.comma + 1)
    value: Any = {part.key: part.node.value for part in parts} if is_object else [part.node.value for part in parts]
    return Node(start, at + 1, value, tuple(parts))


def _part(text: str, start: int, *, is_object: bool) -> Part:
    key, at = "", start
    if is_object:
        if text[start : start + 1] != '"':
            _expected("a key in double quotes", text, start)
        key, end = _scalar(text, start)
        colon = skipped(text, end)
        if text[colon : colon + 1] != ":":
            _expected("a colon", text, colon)
        at = skipped(text, colon + 1)
    node = _value(text, at)
    behind = skipped(text, node.end)
    return Part(key, start, node, behind if text[behind : behind + 1] == "," else None)


def _scalar(text: str, at: int) -> tuple[Any, int]:
    try:
        return _SCALARS.raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg[:1].lower()}{error.msg[1:]} in line {error.lineno}") from error


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_SCALARS = json.JSONDecoder(parse_constant=_constant)


def _expected(what: str, text: str, at: int) -> NoReturn:
    line = text.count("\n", 0, at) + 1
    raise ValueError(f"line {line} should have {what}")
