"""Searches lines for what somebody typed, and holds up nobody: an expression may be one that takes for ever. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mcp_background_job.jobs.output import compile_regex, found

if TYPE_CHECKING:
    import regex

    from mcp_background_job.cli.top.pager import Line

#: An expression has so long to be shown on a line. On the event loop nobody may wait for more.
_SHOW_S = 0.005

#: What is found on one line that is shown: more than fits on a screen.
_MAX_HITS = 200


def pattern_of(words: str) -> regex.Pattern[str]:
    """Return what a regular expression means; small letters in it mean capitals too, unless it has such itself.

    Raises:
        InvalidRequestError: it is not an expression.
    """
    return compile_regex(f"(?i){words}" if words == words.lower() else words, "the search")


def place_of(lines: Sequence[Line], pattern: regex.Pattern[str], places: Iterable[int]) -> int | None:
    """Return the first of these places whose line has it; call it in a thread.

    Raises:
        InvalidRequestError: the expression needs too long.
    """
    return next((place for place in places if found(pattern, lines[place].text)), None)


def spans(pattern: regex.Pattern[str], text: str) -> list[tuple[int, int]]:
    """Return where it stands on a line; as much of that as is found in no time."""
    hits: list[tuple[int, int]] = []
    try:
        for match in pattern.finditer(text, timeout=_SHOW_S):
            if match.end() > match.start():
                hits.append(match.span())
            if len(hits) == _MAX_HITS:
                break
    except TimeoutError:
        pass
    return hits
