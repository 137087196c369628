"""Turns bytes of a log into the text of an answer: drawn as on a terminal, folded, clamped and within a budget."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass

from mcp_background_job.core.output.gaps import Gap, note, stretches
from mcp_background_job.core.output.screen import MAX_LINE, Line, Screen, incomplete_tail, next_drawing
from mcp_background_job.core.values import frozen

#: A run of identical lines is folded if it has at least this many.
_FOLD_FROM = 3

#: If this many bytes of text hold nothing that draws, they skip the screen and are taken line by line. Half of them
#: still go to the screen if something that draws follows.
_PLAIN_FROM = 64 * 1024

#: Share of the budget for the end of the output, if its middle must be cut.
TAIL_SHARE = 0.5
#: The same for a failed job: errors come last, so its end says more than its beginning.
TAIL_SHARE_FAILED = 0.8


@dataclass(frozen=True, slots=True)
class Row:
    """One line of an answer: its text, and where it begins in the log.

    A note stands for bytes that are missing there.
    """

    text: str
    offset: int
    is_note: bool = False


@frozen
class Page:
    """A page of the log: its lines, and how many bytes of the log they stand for."""

    rows: list[Row]
    consumed: int


@frozen
class Cut:
    """The part that was left out of an answer: its size, and the offset in the log at which it begins."""

    lines: int
    characters: int
    offset: int
    notes: tuple[str, ...]


def render(data: bytes, offset: int, gaps: Iterable[Gap] = ()) -> list[Row]:
    """Render bytes that begin at an offset of the log."""
    return render_page(data, offset, budget=None, final=True, gaps=gaps).rows


def render_page(data: bytes, offset: int, *, budget: int | None, final: bool, gaps: Iterable[Gap] = ()) -> Page:
    """Render bytes that give about ``budget`` characters; the page ends at the end of a line if possible.

    Args:
        data: bytes of the log.
        offset: position of the first of them in the log.
        budget: characters; ``None`` for all.
        final: no bytes will follow these. Otherwise a code point or an escape sequence that is cut at the end is left
            over.
        gaps: places where bytes are missing: nothing is drawn across one, and a note stands there.
    """
    rows: list[Row] = []
    position = used = 0
    for gap, begin, stretch in stretches(data, gaps):
        left = None if budget is None else budget - used
        if gap is not None:
            if left is not None and left <= 0 and begin < len(data):
                break  # the next page begins with this gap
            rows.append(Row(note(gap), offset + begin, is_note=True))
        is_last = begin + len(stretch) == len(data)
        drawn = _draw(stretch, offset + begin, budget=left, final=final or not is_last)
        rows += drawn.rows
        used += sum(len(row.text) + 1 for row in drawn.rows)
        position = begin + drawn.consumed
        if drawn.consumed < len(stretch):
            break
    return Page(rows, position)


def _draw(data: bytes, offset: int, *, budget: int | None, final: bool) -> Page:
    stop = len(data) if final else len(data) - incomplete_tail(data)
    screen = Screen(offset)
    rows = _Rows()
    position = plain_size = drawing = 0
    while position < stop and (budget is None or screen.size + plain_size < budget):
        if drawing <= position:
            drawing = next_drawing(data, position, stop)
        nothing_follows = final and drawing == stop
        if (nothing_follows or drawing - position > _PLAIN_FROM) and screen.is_at_fresh_line:
            # the next bytes may move up and draw over the last of these lines
            end = drawing if nothing_follows else drawing - _PLAIN_FROM // 2
            if budget is not None:
                end = min(end, position + budget - screen.size - plain_size)
            end = data.rfind(b"\n", position, end) + 1
            if end > position:
                rows.add(screen.take_all(offset + end))
                rows.add_plain(data[position:end], offset + position)
                plain_size += end - position
                position = end
                continue
        newline = data.find(b"\n", position, stop)
        line_end = stop if newline < 0 else newline + 1
        screen.feed(data[position:line_end].decode("utf-8", "replace"), offset + line_end)
        position = line_end
        rows.add(screen.take_settled())
    rows.add(screen.lines())
    return Page(rows.finished(), position)


class _Rows:
    """Folds runs of identical lines into one with their number, and clamps long lines."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._run: list[Line] = []  # the first lines of a run that may go on
        self._length = 0

    def add(self, lines: list[Line]) -> None:
        for line in lines:
            self._add_one(line)

    def add_plain(self, data: bytes, offset: int) -> None:
        """Add whole lines of text, with one look at each run of identical lines."""
        for raw, repeats in itertools.groupby(data.split(b"\n")[:-1]):
            count = sum(1 for _ in repeats)
            text = raw.decode("utf-8", "replace")
            for step in range(min(count, _FOLD_FROM)):
                self._add_one(Line(text[:MAX_LINE], len(text), offset + step * (len(raw) + 1)))
            self._length += max(0, count - _FOLD_FROM)
            offset += count * (len(raw) + 1)

    def finished(self) -> list[Row]:
        self._end_run()
        return self._rows

    def _add_one(self, line: Line) -> None:
        if self._run and line.text != self._run[0].text:
            self._end_run()
        if self._length < _FOLD_FROM:
            self._run.append(line)
        self._length += 1

    def _end_run(self) -> None:
        if self._length >= _FOLD_FROM:
            text = _clamped(self._run[0])
            text = f"{text} (x{self._length})" if text else f"({self._length} empty lines)"
            self._rows.append(Row(text, self._run[0].offset))
        else:
            self._rows += [Row(_clamped(line), line.offset) for line in self._run]
        self._run, self._length = [], 0


def _clamped(line: Line) -> str:
    if line.width <= MAX_LINE:
        return line.text.rstrip()
    return f"{line.text}… (+{line.width - MAX_LINE} characters)"


def fit(rows: list[Row], budget: int, *, tail_share: float = TAIL_SHARE) -> tuple[list[Row], list[Row], Cut | None]:
    """Keep the beginning and the end of the rows within a budget of characters; also return the cut between them."""
    if sum(len(row.text) + 1 for row in rows) <= budget:
        return rows, [], None
    head = _take(rows, int(budget * (1 - tail_share)))
    tail = _take(rows[len(head) :][::-1], int(budget * tail_share))[::-1]
    left_out = rows[len(head) : len(rows) - len(tail)]
    if not left_out:
        return rows, [], None
    characters = sum(len(row.text) + 1 for row in left_out)
    notes = tuple(row.text for row in left_out if row.is_note)
    return head, tail, Cut(len(left_out) - len(notes), characters, left_out[0].offset, notes)


def _take(rows: list[Row], budget: int) -> list[Row]:
    taken: list[Row] = []
    for row in rows:
        budget -= len(row.text) + 1
        if budget < 0:
            break
        taken.append(row)
    return taken


def join(rows: list[Row]) -> str:
    """Return the rows as text."""
    return "\n".join(row.text for row in rows)


_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def raw_rows(data: bytes, offset: int, gaps: Iterable[Gap]) -> list[Row]:
    """Return the lines of bytes without drawing them, with a note where bytes are missing."""
    rows: list[Row] = []
    for gap, begin, stretch in stretches(data, gaps):
        if gap is not None:
            rows.append(Row(note(gap), offset + begin, is_note=True))
        if stretch:
            lines = as_raw_text(stretch).removesuffix("\n").split("\n")
            rows += [Row(line, offset + begin) for line in lines]
    return rows


def raw_text(data: bytes, gaps: Iterable[Gap]) -> str:
    """Return bytes as text without drawing them, with a note on a line of its own where bytes are missing."""
    text = ""
    for gap, _, stretch in stretches(data, gaps):
        if gap is not None:
            text += ("" if not text or text.endswith("\n") else "\n") + note(gap) + "\n"
        text += as_raw_text(stretch)
    return text


def as_raw_text(data: bytes) -> str:
    """Return bytes as text without drawing them; bytes that JSON or a terminal cannot take become escapes."""
    text = data.decode("utf-8", "backslashreplace")
    return _UNPRINTABLE.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
