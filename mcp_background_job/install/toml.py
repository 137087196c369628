"""Edits a TOML text in place: a new table goes to its end, where every table may begin.

tomllib reads the text. ``edits`` compares the values before and after an edit, so a text in a form that this module
does not know is refused and not damaged.
"""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any, ClassVar, cast

from mcp_background_job.install import inline
from mcp_background_job.install.wishes import Entry, Wish

_BOM = "\ufeff"
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_COMMA = re.compile(r"[ \t]*,[ \t]*")
_HEADER = re.compile(r"^[ \t]*\[", re.MULTILINE)


class Toml:
    """TOML 1.0."""

    new_first: ClassVar[bool] = False

    def read(self, text: str) -> dict[str, Any]:
        """Return the content of the file."""
        return tomllib.loads(text.removeprefix(_BOM))

    def granted(self, text: str, wish: Wish) -> str:
        """Return the text with the wanted entry."""
        if text.startswith(_BOM):  # a table may begin right after it
            return _BOM + self.granted(text[1:], wish)
        there = wish.found_in(self.read(text))
        if isinstance(wish, Entry):
            if there is None and (table := inline.table_at(text, wish.path[:-1])):
                return _with_member(text, table, f"{_quoted(wish.path[-1])} = {_inline(wish.value)}")
            if there is None:
                return _appended(text, _table(wish.path, wish.value))
            return _with_values(
                text, wish.path, {key: wish.value[key] for key in wish.value if there.get(key) != wish.value[key]}
            )
        if there == wish.value:
            return text
        return _appended(self.revoked(text, wish), _array_table(wish.path, wish.value))

    def revoked(self, text: str, wish: Wish) -> str:
        """Return the text without the wanted entry."""
        if text.startswith(_BOM):
            return _BOM + self.revoked(text[1:], wish)
        if isinstance(wish, Entry):
            if table := inline.table_at(text, wish.path[:-1]):
                return _without_member(text, table, wish.path[-1])
            while block := _block(text, wish.path, below=True):
                text = _cut(text, *block)
            return text
        for start, end in _blocks(text, wish.path):
            if wish.mark in text[start:end]:
                return _cut(text, start, end)
        return text


def _table(path: tuple[str, ...], value: dict[str, Any]) -> list[str]:
    return [f"[{_dotted(path)}]", *(_assigned(key, item) for key, item in value.items())]


def _array_table(path: tuple[str, ...], value: dict[str, Any]) -> list[str]:
    """Return a table of an array, followed by the tables of the arrays within it."""
    lines = [f"[[{_dotted(path)}]]"]
    arrays: list[str] = []
    for key, item in value.items():
        if isinstance(item, list) and item and isinstance(item[0], dict):
            for below in cast("list[dict[str, Any]]", item):
                arrays += ["", *_array_table((*path, key), below)]
        else:
            lines.append(_assigned(key, item))
    return lines + arrays


def _assigned(key: str, value: Any) -> str:
    # JSON texts, numbers, booleans and arrays of them are valid TOML too, except for one character.
    return f"{_quoted(key)} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f")


def _inline(value: dict[str, Any]) -> str:
    return f"{{ {', '.join(_assigned(key, item) for key, item in value.items())} }}"


def _with_member(text: str, table: tuple[int, int], member: str) -> str:
    """Return the text with a new member after the last one of an inline table."""
    start, end = table
    inside = text[start + 1 : end - 1]
    there = inside.rstrip(" \t")
    added = f"{there}, {member}{inside[len(there) :]}" if there else f" {member} "
    return f"{text[: start + 1]}{added}{text[end - 1 :]}"


def _without_member(text: str, table: tuple[int, int], key: str) -> str:
    """Return the text without a member of an inline table, and without the comma between it and another."""
    before = first = table[0] + 1
    for member in inline.members_of(text, table[0]):
        if member.keys[0] == key and before > first:
            return text[:before] + text[member.end :]
        if member.keys[0] == key:
            comma = _COMMA.match(text, member.end)
            return text[: member.start] + text[comma.end() if comma else member.end :]
        before = member.end
    return text


def _dotted(path: tuple[str, ...]) -> str:
    return ".".join(map(_quoted, path))


def _quoted(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def _appended(text: str, lines: list[str]) -> str:
    """Return the text with lines at its end, after an empty line; it ends with a line break only if it did before."""
    newline = "\r\n" if "\r\n" in text else "\n"
    new = newline.join(lines)
    if not text:
        return f"{new}{newline}"
    if text.endswith("\n"):
        return f"{text}{newline}{new}{newline}"
    return f"{text}{newline}{newline}{new}"


def _with_values(text: str, path: tuple[str, ...], values: dict[str, Any]) -> str:
    """Return the text with changed values in an existing table."""
    block = _block(text, path)
    if block is None:
        return text
    start, end = block
    table = text[start:end]
    for key, value in values.items():
        line = re.compile(
            rf"""^[ \t]*(?:{re.escape(key)}|"{re.escape(key)}"|'{re.escape(key)}')[ \t]*=[^\r\n]*""", re.MULTILINE
        )
        assigned = _assigned(key, value)
        if line.search(table):
            table = line.sub(lambda _: assigned, table, count=1)  # noqa: B023  used at once
        else:
            header, newline, rest = table.partition("\r\n" if "\r\n" in table else "\n")
            table = f"{header}{newline or chr(10)}{assigned}{newline}{rest}"
    return text[:start] + table + text[end:]


def _block(text: str, path: tuple[str, ...], *, below: bool = False) -> tuple[int, int] | None:
    """Return where a table and the next one begin; ``below`` also finds a table within it."""
    names = r"[ \t]*\.[ \t]*".join(rf"""(?:{re.escape(key)}|"{re.escape(key)}"|'{re.escape(key)}')""" for key in path)
    end = r"[ \t]*[\].]" if below else r"[ \t]*\]"
    header = re.search(rf"^[ \t]*\[[ \t]*{names}{end}", text, re.MULTILINE)
    return (header.start(), _next_header(text, header.end())) if header else None


def _blocks(text: str, path: tuple[str, ...]) -> list[tuple[int, int]]:
    """Return where the tables of an array stand, each with the tables below it."""
    own = re.compile(rf"^[ \t]*\[\[[ \t]*{re.escape(_dotted(path))}[ \t]*\]\]", re.MULTILINE)
    below = re.compile(rf"[ \t]*\[+[ \t]*{re.escape(_dotted(path))}[ \t]*\.")
    found: list[tuple[int, int]] = []
    for header in own.finditer(text):
        end = _next_header(text, header.end())
        while below.match(text, end):
            end = _next_header(text, text.index("]", end))
        found.append((header.start(), end))
    return found


def _next_header(text: str, at: int) -> int:
    found = _HEADER.search(text, at)
    return found.start() if found else len(text)


def _cut(text: str, start: int, end: int) -> str:
    """Return the text without a table, and without one of the empty lines around it."""
    before, behind = text[:start], text[end:]
    for newline in ("\r\n", "\n"):
        if not behind and before.endswith(newline * 2):
            return before[: -len(newline)]
    return before + behind
