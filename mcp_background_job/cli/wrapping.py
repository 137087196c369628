"""Wraps and cuts text to the cells of a terminal, where a character of Chinese or an emoji takes two. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORDS = re.compile(r"(\s*)(\S+)")


def cells(text: str) -> int:
    """Return how many cells of a terminal text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415  most text does without

    return cell_len(text)


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
        if cells(character) > 1:
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
