"""Finds the inline tables of a TOML text: ``mcp_servers = { one = { command = "x" } }``, on one line.

No header may extend such a table, so a new entry goes between its braces. tomllib has parsed the text before, so no
errors are reported here.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Generator
from typing import NamedTuple

_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')(?:[ \t]*\.[ \t]*|(?=[ \t]*=))""")
_TEXT = re.compile(r""""{3}(?:[^\\]|\\.)*?"{3,5}|'{3}.*?'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*\'""", re.DOTALL)
_BARE = re.compile(r"[^,\]}#\r\n]+")


class Member(NamedTuple):
    """An assignment to a key: where it begins, and where its value begins and ends."""

    keys: tuple[str, ...]
    start: int
    value: int
    end: int


def table_at(text: str, path: tuple[str, ...]) -> tuple[int, int] | None:
    """Return where a path's inline table stands, including its braces; ``None`` if there is no inline table."""
    members = _assigned(text, 0)
    for depth in range(len(path)):
        found = next((one for one in members if one.keys == path[depth : depth + 1] and text[one.value] == "{"), None)
        if found is None:
            return None
        if depth == len(path) - 1:
            return found.value, found.end
        members = members_of(text, found.value)
    return None


def members_of(text: str, table: int) -> Generator[Member]:
    """Iterate over the members of an inline table that begins at an offset."""
    return _assigned(text, table + 1)


def _assigned(text: str, at: int) -> Generator[Member]:
    """Iterate over assignments until something else comes: the end of the table or of the text, or a header."""
    while True:
        start = _behind_gap(text, at)
        keys, at = _keys(text, start)
        if not keys:
            return
        value = _behind_gap(text, text.index("=", at) + 1)
        at = _end_of_value(text, value)
        yield Member(keys, start, value, at)
        at = _behind_gap(text, at)
        at += text.startswith(",", at)


def _keys(text: str, at: int) -> tuple[tuple[str, ...], int]:
    keys: list[str] = []
    while found := _KEY.match(text, at):
        word = found[0].rstrip(". \t")
        keys.append(next(iter(tomllib.loads(f"{word} = 0"))))
        at = found.end()
    return tuple(keys), at


def _end_of_value(text: str, at: int) -> int:
    if found := _TEXT.match(text, at):
        return found.end()
    if text[at] == "{":
        for member in members_of(text, at):
            at = member.end
        return text.index("}", at) + 1
    if text[at] == "[":
        return _end_of_array(text, at + 1)
    found = _BARE.match(text, at)
    return at + len(found[0].rstrip()) if found else at


def _end_of_array(text: str, at: int) -> int:
    while (at := _behind_gap(text, at)) < len(text) and text[at] != "]":
        at = _behind_gap(text, _end_of_value(text, at))
        at += text.startswith(",", at)
    return at + 1


def _behind_gap(text: str, at: int) -> int:
    found = _GAP.match(text, at)
    return found.end() if found else at
