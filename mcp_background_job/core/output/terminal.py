"""A terminal of a certain size, which holds the picture that a full-screen program shows now.

``screen`` keeps all lines of a program that writes on and on; a terminal forgets lines that scroll away. It does what
xterm does with the sequences that the terminal description of ``xterm-256color`` names and that editors, pagers and
monitors use (ECMA-48; the control sequences of xterm). It ignores colours and titles, and answers no questions.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from mcp_background_job.core.output.window import COLUMNS, ROWS

_TOKEN = re.compile(
    r"(?P<text>[^\x00-\x1f\x7f-\x9f]+)"
    r"|(?:\x1b\[|\x9b)(?P<mark>[<-?]?)(?P<parameters>[0-?]*)(?P<between>[ -/]*)(?P<final>[@-~])"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # titles and other strings
    r"|\x1b(?P<set>[()])(?P<charset>.)"
    r"|\x1b[ -/]*(?P<escape>[0-~])"
    r"|(?P<control>[\x00-\x1f\x7f-\x9f])",
    re.DOTALL,
)

#: Runs of characters that take one cell each, and of others.
_RUN = re.compile(r"[ -~]+|[^ -~]+")
_LAST_ASCII = "\x7f"

#: Sequences that begin a new picture: nothing that was drawn before is visible.
_CLEAR = re.compile(rb"\x1b\[[23]J|\x1b\[(?:1;1)?H\x1b\[0?J|\x1bc|\x1b\[\?(?:47|1047|1049)h")

#: Sequences that bring back an earlier picture.
_BACK = re.compile(rb"\x1b\[\?(?:47|1047|1049)l")

#: The line drawing characters of a VT100, by the letters that stand for them.
_GRAPHICS = str.maketrans("`afgjklmnopqrstuvwxyz{|}~", "◆▒°±┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·")

_TAB = 8

#: No position has more digits. A hostile number could have thousands, which int() refuses.
_MAX_DIGITS = 4

#: A blank cell, and the right half of a wide character.
_BLANK, _HALF = " ", ""

_INSERT_MODE = 4
_ALTERNATE = ("47", "1047", "1049")


def last_clear(data: bytes) -> int | None:
    """Return where the last picture begins; ``None`` if it began before these bytes."""
    begin = max((match.start() for match in _CLEAR.finditer(data)), default=None)
    return None if begin is None or _BACK.search(data, begin) else begin


class Terminal:
    """A grid of cells with characters, and a cursor.

    Attributes:
        row: row of the cursor, from 0.
        column: column of the cursor; it is behind the last column if the next character goes to the next line.
    """

    def __init__(self, rows: int = ROWS, columns: int = COLUMNS) -> None:
        """Begins empty."""
        self._rows, self._columns = rows, columns
        self._sequences: dict[str, Callable[[int, int], None]] = {
            "H": self._to,
            "f": self._to,
            "G": self._to_column,
            "`": self._to_column,
            "d": self._to_row,
            "J": self._erase_display,
            "K": self._erase_line,
            "b": self._repeat,
            "r": self._set_margins,
            "s": self._save,
            "u": self._restore,
        }
        self._escapes: dict[str, Callable[[], None]] = {
            "7": self._save,
            "8": self._restore,
            "D": self._line_feed,
            "E": self._next_line,
            "M": self._reverse_line_feed,
            "c": self._reset,
        }
        self._reset()

    def lines(self) -> list[str]:
        """Return the visible text, without blanks at the ends of lines."""
        return ["".join(map(_seen, [_BLANK, *cells], cells)).rstrip() for cells in self._cells]

    def feed(self, text: str) -> None:
        """Draw output of a program."""
        for token in _TOKEN.finditer(text):
            if token["text"]:
                self._write(token["text"])
            elif token["control"]:
                self._control(token["control"])
            elif token["final"]:
                self._sequence(token["mark"], token["parameters"], token["between"] + token["final"])
            elif token["escape"] in self._escapes:
                self._escapes[token["escape"]]()
            elif token["set"]:
                self._charsets[")(".index(token["set"])] = token["charset"]

    def _reset(self) -> None:
        self._cells = self._blank(self._rows)
        self._hidden: list[list[str]] | None = None  # the main screen, while the alternate one is shown
        self._saved = 0, 0
        self._charsets = ["B", "B"]
        self._shifted = False
        self._inserts, self._wraps = False, True
        self._top, self._bottom = 0, self._rows - 1
        self.row = self.column = 0
        self._last = ""

    def _blank(self, count: int) -> list[list[str]]:
        return [[_BLANK] * self._columns for _ in range(count)]

    # -- characters ------------------------------------------------------------------------------------------------

    def _write(self, text: str) -> None:
        if self._charsets[0 if self._shifted else 1] == "0":
            text = text.translate(_GRAPHICS)
        for run in _RUN.findall(text):
            if self._inserts or run > _LAST_ASCII:
                for character in run:
                    self._write_one(character)
            else:
                self._write_run(run)

    def _write_run(self, run: str) -> None:
        begin = 0
        while begin < len(run):
            self._make_room(1)
            end = begin + self._columns - self.column
            self._place(list(run[begin:end]))
            begin = end

    def _write_one(self, character: str) -> None:
        if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Mn", "Me"):
            column = min(self.column, self._columns) - 1
            while column > 0 and self._cells[self.row][column] == _HALF:
                column -= 1
            if column >= 0:
                self._cells[self.row][column] += character
            return
        cells = [character, _HALF] if unicodedata.east_asian_width(character) in "WF" else [character]
        self._make_room(len(cells))
        if self._inserts:
            self._insert(len(cells))
        self._place(cells)

    def _make_room(self, count: int) -> None:
        if self.column + count <= self._columns:
            return
        if self._wraps:
            self._next_line()
        else:
            self.column = self._columns - count

    def _place(self, cells: list[str]) -> None:
        line, end = self._cells[self.row], self.column + len(cells)
        if line[self.column] == _HALF:
            line[self.column - 1] = _BLANK  # half of a character is not shown
        if end < self._columns and line[end] == _HALF:
            line[end] = _BLANK
        line[self.column : end] = cells
        self.column = end
        self._last = cells[-1] or cells[-2]

    def _control(self, control: str) -> None:
        if control == "\r":
            self.column = 0
        elif control in "\n\x0b\x0c\x84":
            self._line_feed()
        elif control == "\x85":
            self._next_line()
        elif control == "\b":
            self.column = max(0, min(self.column, self._columns - 1) - 1)
        elif control == "\t":
            self.column = min((self.column // _TAB + 1) * _TAB, self._columns - 1)
        elif control in "\x0e\x0f":
            self._shifted = control == "\x0e"
        elif control == "\x8d":
            self._reverse_line_feed()

    def _line_feed(self) -> None:
        if self.row == self._bottom:
            self._scroll(1)
        else:
            self.row = min(self.row + 1, self._rows - 1)

    def _next_line(self) -> None:
        self.column = 0
        self._line_feed()

    def _reverse_line_feed(self) -> None:
        if self.row == self._top:
            self._scroll(-1)
        else:
            self.row = max(self.row - 1, 0)

    # -- sequences -------------------------------------------------------------------------------------------------

    def _sequence(self, mark: str, parameters: str, final: str) -> None:
        if mark == "?" and final in "hl":
            self._set_modes(parameters, on=final == "h")
        if mark:  # questions, and modes of keys
            return
        numbers = [int(part[:_MAX_DIGITS]) if part.isdecimal() else 0 for part in parameters.split(";")]
        first, second = numbers[0], numbers[1] if len(numbers) > 1 else 0
        if final in _MOVES:
            rows, columns = _MOVES[final]
            self._move(rows * max(1, first), columns * max(1, first), is_line=final in "EF")
        elif final in _SHIFTS:
            self._shift(final, max(1, first))
        elif final in "hl" and _INSERT_MODE in numbers:
            self._inserts = final == "h"
        elif final in self._sequences:
            self._sequences[final](first, second)

    def _to_column(self, column: int, _: int) -> None:
        self._go(self.row, max(1, column) - 1)

    def _to_row(self, row: int, _: int) -> None:
        self._go(max(1, row) - 1, self.column)

    def _to(self, row: int, column: int) -> None:
        self._go(max(1, row) - 1, max(1, column) - 1)

    def _repeat(self, count: int, _: int) -> None:
        if self._last:
            self._write(self._last * min(max(1, count), self._rows * self._columns))

    def _set_margins(self, top: int, bottom: int) -> None:
        top, bottom = max(1, top) - 1, min(bottom or self._rows, self._rows) - 1
        if top < bottom:
            self._top, self._bottom = top, bottom
            self._go(0, 0)

    def _set_modes(self, parameters: str, *, on: bool) -> None:
        for mode in parameters.split(";"):
            if mode == "7":
                self._wraps = on
            elif mode in _ALTERNATE:
                self._show_alternate(on=on, with_cursor=mode == "1049")
            elif mode == "1048":
                (self._save if on else self._restore)()

    def _show_alternate(self, *, on: bool, with_cursor: bool) -> None:
        if on and with_cursor:
            self._save()
        if on and self._hidden is None:
            self._hidden, self._cells = self._cells, self._blank(self._rows)
        elif not on and self._hidden is not None:
            self._cells, self._hidden = self._hidden, None
        if not on and with_cursor:
            self._restore()

    def _save(self, *_: int) -> None:
        self._saved = self.row, self.column

    def _restore(self, *_: int) -> None:
        self.row, self.column = self._saved

    def _go(self, row: int, column: int) -> None:
        self.row, self.column = min(row, self._rows - 1), min(column, self._columns - 1)

    def _move(self, rows: int, columns: int, *, is_line: bool) -> None:
        low = self._top if self.row >= self._top else 0
        high = self._bottom if self.row <= self._bottom else self._rows - 1
        self.row = min(max(self.row + rows, low), high)
        self.column = 0 if is_line else min(max(min(self.column, self._columns - 1) + columns, 0), self._columns - 1)

    def _erase_display(self, what: int, _: int = 0) -> None:
        if what in (0, 1):
            self._erase_line(what)
        begin, end = {0: (self.row + 1, self._rows), 1: (0, self.row)}.get(what, (0, self._rows))
        self._cells[begin:end] = self._blank(end - begin)

    def _erase_line(self, what: int, _: int = 0) -> None:
        column = min(self.column, self._columns - 1)
        begin, end = {0: (column, self._columns), 1: (0, column + 1)}.get(what, (0, self._columns))
        self._cells[self.row][begin:end] = [_BLANK] * (end - begin)

    def _shift(self, final: str, count: int) -> None:
        if final in "ST":
            self._scroll(count if final == "S" else -count)
        elif final in "LM":
            if self._top <= self.row <= self._bottom:
                self._scroll(count if final == "M" else -count, self.row)
                self.column = 0
        elif final == "@":
            self._insert(count)
        else:
            column = min(self.column, self._columns - 1)
            count = min(count, self._columns - column)
            line = self._cells[self.row]
            if final == "P":
                line[column : column + count] = []
                line += [_BLANK] * count
            else:
                line[column : column + count] = [_BLANK] * count

    def _insert(self, count: int) -> None:
        column = min(self.column, self._columns - 1)
        line = self._cells[self.row]
        line[column:column] = [_BLANK] * min(count, self._columns - column)
        del line[self._columns :]

    def _scroll(self, count: int, top: int | None = None) -> None:
        """Move the lines between the margins up, or down by a negative count."""
        begin, end = self._top if top is None else top, self._bottom + 1
        region = self._cells[begin:end]
        gap = self._blank(min(abs(count), len(region)))
        kept = region[len(gap) :] if count > 0 else region[: len(region) - len(gap)]
        self._cells[begin:end] = [*kept, *gap] if count > 0 else [*gap, *kept]


def _seen(before: str, cell: str) -> str:
    """Return the visible content of a cell: half of a character is blank if its other half was erased."""
    return _BLANK if cell == _HALF and before == _BLANK else cell


#: Rows and columns that the cursor moves for a sequence.
_MOVES = {
    "A": (-1, 0),
    "B": (1, 0),
    "C": (0, 1),
    "D": (0, -1),
    "E": (1, 0),
    "F": (-1, 0),
    "a": (0, 1),
    "e": (1, 0),
}

#: Sequences that shift cells: scroll, insert and delete lines, insert, delete and erase characters.
_SHIFTS = frozenset("STLM@PX")
