"""Edits a JSON text with comments in place: everything else in it stays unchanged.

A new member goes before the others. There it does not touch what follows the last one: a trailing comma, or a comment
on that member.
"""

from __future__ import annotations

import json
import re
from typing import Any, ClassVar

from mcp_background_job.install.spans import Node, Part, after_space, read, skipped
from mcp_background_job.install.wishes import Element, Entry, Wish

_NEWLINE = re.compile(r"\r\n|\n|\r")
_COMMENT_OF_LINE = re.compile(r"[ \t]*//[^\r\n]*")
_DEFAULT_INDENT = "  "


class Jsonc:
    """JSON, with or without comments."""

    new_first: ClassVar[bool] = True

    def read(self, text: str) -> dict[str, Any]:
        """Return the content of the file."""
        value = _root(text).value
        if not isinstance(value, dict):
            raise ValueError("it does not hold an object")  # noqa: TRY004  the text is wrong, not the caller
        return value  # pyright: ignore[reportUnknownVariableType]

    def granted(self, text: str, wish: Wish) -> str:
        """Return the text with the wanted entry."""
        text = _with_root(text)
        root = _root(text)
        if isinstance(wish, Element) and (place := wish.place_in(root.value)) is not None:
            array, _ = _deepest(root, wish.path)
            return _replaced(text, root, (array.parts or ())[place].node, wish.value)
        node, depth = _deepest(root, wish.path)
        if depth < len(wish.path):
            value: Any = [wish.value] if isinstance(wish, Element) else wish.value
            for key in reversed(wish.path[depth + 1 :]):
                value = {key: value}
            return _inserted(text, root, node, f"{json.dumps(wish.path[depth])}: ", value)
        if isinstance(wish, Element):
            return _inserted(text, root, node, "", wish.value)
        return _replaced(text, root, node, {**node.value, **wish.value})

    def revoked(self, text: str, wish: Wish) -> str:
        """Return the text without the wanted entry."""
        root = _root(text)
        if isinstance(wish, Entry):
            container, _ = _deepest(root, wish.path[:-1])
            part = container.last(wish.path[-1])
        else:
            container, _ = _deepest(root, wish.path)
            place = wish.place_in(root.value)
            part = None if place is None else (container.parts or ())[place]
        return _without(text, container, part) if part else text


def _root(text: str) -> Node:
    return read(_with_root(text))


def _with_root(text: str) -> str:
    """Return a text that holds an object: a file without any value gets an empty object."""
    end = skipped(text, 1 if text.startswith("\ufeff") else 0)
    if end < len(text):
        return text
    newline = _newline_of(text)
    break_before = newline if text[-1:] not in {"", "\ufeff", "\n", "\r"} else ""
    return f"{text}{break_before}{{}}{newline}"


def _deepest(root: Node, path: tuple[str, ...]) -> tuple[Node, int]:
    """Return the deepest existing value on a path, and how many keys lead to it."""
    node = root
    for depth, key in enumerate(path):
        part = node.last(key)
        if part is None:
            return node, depth
        node = part.node
    return node, len(path)


def _inserted(text: str, root: Node, container: Node, key: str, value: Any) -> str:
    """Return the text with a new first member or element."""
    comment = _COMMENT_OF_LINE.match(text, container.start + 1)
    at = comment.end() if comment else container.start + 1
    gap = text[at : after_space(text, at)]
    breaks = list(_NEWLINE.finditer(gap))
    if container.parts:
        lead = gap[breaks[-1].start() :] if breaks else gap
        indent = gap[breaks[-1].end() :] if breaks else None
        new = f"{lead}{key}{_rendered(text, root, value, indent)},"
    elif root.parts and not _NEWLINE.search(text, root.start, root.end):
        new = f"{key}{_rendered(text, root, value, None)}"
    else:
        outer, newline = _indent_at(text, container.start), _newline_of(text)
        indent = outer + _unit(text, root)
        close = "" if breaks or comment else newline + outer
        new = f"{newline}{indent}{key}{_rendered(text, root, value, indent)}{close}"
    return text[:at] + new + text[at:]


def _replaced(text: str, root: Node, node: Node, value: Any) -> str:
    if node.value == value:
        return text
    is_on_one_line = not _NEWLINE.search(text, node.start, node.end)
    indent = None if is_on_one_line else _indent_at(text, node.start)
    return text[: node.start] + _rendered(text, root, value, indent) + text[node.end :]


def _without(text: str, container: Node, part: Part) -> str:
    """Return the text without a member or element, its comma, and its line if it had its own."""
    parts = container.parts or ()
    number = parts.index(part)
    start = _line_start(text, part.start)
    if part.comma is not None:
        return text[:start] + text[part.comma + 1 :]
    end = part.node.end
    if number and (comma := parts[number - 1].comma) is not None:
        return text[:comma] + text[comma + 1 : start] + text[end:]
    return text[:start] + text[end:]


def _line_start(text: str, at: int) -> int:
    """Return the offset of a line break if only white space stands between it and a place; else the place itself."""
    before = text[:at].rstrip(" \t")
    if before.endswith("\r\n"):
        return len(before) - 2
    return len(before) - 1 if before.endswith(("\n", "\r")) else at


def _rendered(text: str, root: Node, value: Any, indent: str | None) -> str:
    """Return a value as JSON: on one line without an indent, else on lines in the style of the file."""
    if indent is None:
        return json.dumps(value, ensure_ascii=False)
    lines = json.dumps(value, ensure_ascii=False, indent=_unit(text, root)).split("\n")
    return (_newline_of(text) + indent).join(lines)


def _unit(text: str, root: Node) -> str:
    """Return the indentation unit of the file."""
    first = root.parts[0].start if root.parts else 0
    start = _line_start(text, first)
    return (text[start:first].strip("\r\n") if start < first else "") or _DEFAULT_INDENT


def _indent_at(text: str, at: int) -> str:
    """Return the white space at the beginning of a line."""
    start = max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1
    line = text[start:at].removeprefix("\ufeff")
    return line[: len(line) - len(line.lstrip(" \t"))]


def _newline_of(text: str) -> str:
    found = _NEWLINE.search(text)
    return found[0] if found else "\n"
