"""Wraps and cuts text to the cells of a terminal, where a character of Chinese or an emoji takes two. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

#: Characters that take no cell: accents that are written over others, and marks that show nothing.
_NO_CELL = ("Mn", "Me", "Cf")

_WORDS = re.compile(r"(\s*)(\S+)")


def cells(text: str) -> int:
    """Return how many cells of a terminal text takes."""
    return len(text) if text.isascii() else sum(map(_cells_of, text))


def _cells_of(character: str) -> int:
    if unicodedata.category(character) in _NO_CELL:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def wrapped(text: str, width: int, indent: str = "") -> str:
    """Return text on lines of so many cells.

    It is cut between words, and in a word that is too long for a line between characters of double width, which need
    no space between them. Any other word stays one, to be copied.

    Args:
        text: a sentence; the spaces between its words stay as they are.
        width: of the window.
        indent: what the lines behind the first begin with.
    """
    if cells(text) <= width and "\n" not in text:
        return text
    lines = list[str]()
    line = ""
    for space, word in _WORDS.findall(text):
        gap = " " * len(space)
        for part in _parts(word, width - cells(indent)):
            is_too_long = cells(line + gap + part) > width
            if is_too_long and line.strip() and cells(indent + part) <= width:
                lines.append(line.rstrip())
                line, gap = indent, ""
            line, gap = line + gap + part, ""
    return "\n".join([*lines, line])


def _parts(word: str, room: int) -> Sequence[str]:
    """Return what a word may be cut into if it needs more cells than a line has."""
    if word.isascii() or cells(word) <= room:
        return [word]
    parts = [""]
    for character in word:
        if _cells_of(character) > 1:
            parts.append(character)
        else:
            parts[-1] += character
    return parts


def cut(text: str, width: int) -> str:
    """Return text within so many cells, with an ellipsis if that is not all of it."""
    if cells(text) <= width:
        return text
    kept = ""
    for character in text:
        if cells(kept + character) >= width:
            break
        kept += character
    return f"{kept}…"
