"""Draws a program's output as a terminal would: redraws collapse, and styles are dropped.

It does not emulate a screen of a certain size: lines do not wrap and nothing scrolls away, since the reader wants the
text. It applies the controls with which programs draw over their output: carriage return, backspace, cursor movements,
erasing. It drops other escape sequences. It keeps the first characters of a line and only counts the rest, so a
gigabyte without a newline needs no memory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Characters of a line that are kept.
MAX_LINE = 2000

#: Lines above the cursor that programs may still draw on: more than any terminal has.
_LIVE_LINES = 500

#: No position on a line has more digits. A hostile number could have thousands, which int() refuses.
_MAX_DIGITS = 9

_SPECIAL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_TOKEN = re.compile(
    r"(?P<text>[^\x00-\x08\x0a-\x1f\x7f-\x9f]+)"
    r"|(?:\x1b\[|\x9b)(?P<parameters>[0-?]*)[ -/]*(?P<final>[@-~])"  # CSI: ECMA-48, 5.4
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC and other strings
    r"|\x1b[ -/]*[0-~]"  # other escape sequences
    r"|(?P<control>[\r\n\x08])"
    r"|[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9a\x9c-\x9f]+|[\x1b\x9b]"  # says nothing
)

#: An escape sequence or a code point that more bytes may complete is no longer than this.
_MAX_SEQUENCE = 256
_OPEN_SEQUENCE = re.compile(rb"(?:\xc2\x9b[0-?]*[ -/]*|\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)?)\Z")


#: UTF-8: the first continuation byte, and the first lead byte of sequences of each length (RFC 3629).
_CONTINUATION = 0x80
_LEADS = ((0xC0, 2), (0xE0, 3), (0xF0, 4), (0xF8, 1))


#: Bytes that may draw over earlier text: controls except tab and line end, and the C1 controls in UTF-8. One set holds
#: all their first bytes: a choice of two takes three times as long to find, and meanwhile this process does nothing
#: else.
_DRAWING = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f\xc2](?:(?<!\xc2)|[\x80-\x9f])")


def next_drawing(data: bytes, start: int, end: int) -> int:
    """Return where the next bytes begin that may draw over earlier text, or ``end``."""
    match = _DRAWING.search(data, start, end)
    return match.start() if match else end


@dataclass(slots=True)
class Line:
    """A line on the screen.

    Attributes:
        text: its first ``MAX_LINE`` characters.
        width: how many characters it has.
        offset: position in the log at which it begins.
    """

    text: str
    width: int
    offset: int


class Screen:
    """Draws text on lines without end.

    Attributes:
        size: how many characters are kept, line ends included.
    """

    def __init__(self, offset: int = 0) -> None:
        """Begins with one empty line, whose text begins at this position in the log."""
        self._lines = [Line("", 0, offset)]
        self._row = 0
        self._column = 0
        self._size = 0

    @property
    def size(self) -> int:
        """How many characters the lines hold, line ends included."""
        return self._size + len(self._lines) - 1

    def lines(self) -> list[Line]:
        """Return the lines; an empty last line behind a final line end does not count."""
        return self._lines if self._lines[-1].width else self._lines[:-1]

    @property
    def is_at_fresh_line(self) -> bool:
        """Whether the next character would be the first of the last line."""
        return self._row == len(self._lines) - 1 and self._column == 0 and not self._lines[-1].width

    def take_all(self, offset: int) -> list[Line]:
        """Take away all lines, and begin anew with one that begins at this position in the log."""
        taken = self.lines()
        self._lines = [Line("", 0, offset)]
        self._row = self._column = 0
        self._size += len(taken)  # their line ends are counted
        return taken

    def take_settled(self) -> list[Line]:
        """Take away the lines that are so far above the cursor that no program draws on them any more."""
        count = self._row - _LIVE_LINES
        if count < _LIVE_LINES:
            return []
        settled = self._lines[:count]
        del self._lines[:count]
        self._row -= count
        self._size += len(settled)  # their line ends are counted
        return settled

    def feed(self, text: str, next_offset: int) -> None:
        """Draw one line of output or a part of it.

        If the text begins a line, that line starts at ``next_offset`` in the log.
        """
        body, ends = (text[:-1], True) if text.endswith("\n") else (text, False)
        if not _SPECIAL.search(body) and "\n" not in body:
            self._write(body)
        else:
            for token in _TOKEN.finditer(body):
                self._draw(token, next_offset)
        if ends:
            self._new_line(next_offset)

    def _draw(self, token: re.Match[str], next_offset: int) -> None:
        if text := token["text"]:
            self._write(text)
        elif final := token["final"]:
            self._control_sequence(final, token["parameters"] or "", next_offset)
        elif control := token["control"]:
            if control == "\r":
                self._column = 0
            elif control == "\b":
                self._column = max(0, self._column - 1)
            elif control == "\n":
                self._new_line(next_offset)

    def _control_sequence(self, final: str, parameters: str, next_offset: int) -> None:
        numbers = [int(part[:_MAX_DIGITS]) if part.isdecimal() else 0 for part in parameters.split(";")]
        count = min(max(1, numbers[0]), MAX_LINE)
        if final in "ABEF":
            step = count if final in "BE" else -count
            self._row = min(max(0, self._row + step), len(self._lines) - 1)
            self._column = 0 if final in "EF" else self._column
        elif final in "CDG":
            base = 0 if final == "G" else self._column
            self._column = max(0, base + {"C": count, "D": -count, "G": count - 1}[final])
        elif final == "K":
            self._erase_in_line(numbers[0])
        elif final == "J" and numbers[0] == 0:
            self._erase_below()
        elif final in "JHf":
            self._new_frame(next_offset)

    def _erase_below(self) -> None:
        self._erase_in_line(0)
        self._size -= sum(len(line.text) for line in self._lines[self._row + 1 :])
        del self._lines[self._row + 1 :]

    def _new_frame(self, next_offset: int) -> None:
        """Begin a new frame of a program that draws whole screens, below the old one: the old one is output too."""
        self._row = len(self._lines) - 1
        if self._lines[-1].width:
            self._new_line(next_offset)
        self._column = 0

    def _erase_in_line(self, what: int) -> None:
        line = self._lines[self._row]
        if what == 0:
            self._replace(line, line.text[: self._column], min(line.width, self._column))
        elif what == 1:
            self._replace(line, " " * min(self._column + 1, len(line.text)) + line.text[self._column + 1 :], line.width)
        else:
            self._replace(line, "", 0)

    def _write(self, text: str) -> None:
        if not text:
            return
        line = self._lines[self._row]
        column = self._column
        self._column = column + len(text)
        width = max(line.width, self._column)
        if column >= MAX_LINE:
            line.width = width
            return
        text = text[: MAX_LINE - column]
        if column > len(line.text):
            text = " " * (column - len(line.text)) + text
            column = len(line.text)
        self._replace(line, line.text[:column] + text + line.text[column + len(text) :], width)

    def _replace(self, line: Line, text: str, width: int) -> None:
        self._size += len(text) - len(line.text)
        line.text = text
        line.width = width

    def _new_line(self, offset: int) -> None:
        self._row += 1
        self._column = 0
        if self._row == len(self._lines):
            self._lines.append(Line("", 0, offset))


_STYLE = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]")


def plain_lines(text: str) -> str:
    """Return the text without escape sequences and with every redraw on a line of its own, for searches."""
    if "\x1b" in text or "\x9b" in text:
        text = _STYLE.sub("", text)
    return text.replace("\r", "\n") if "\r" in text else text


def plain_position(text: str, position: int) -> int:
    """Return the position in the plain lines of a text that stands for a position in the text, or the next one."""
    removed = 0
    for match in _STYLE.finditer(text):
        if match.start() >= position:
            break
        removed += min(match.end(), position) - match.start()
    return position - removed


def written_position(text: str, position: int) -> int:
    """Return the position in a text that stands for a position in its plain lines."""
    for match in _STYLE.finditer(text):
        if match.start() >= position:
            break
        position += len(match[0])
    return position


def incomplete_tail(data: bytes) -> int:
    """Return how many bytes at the end may be the beginning of a code point or an escape sequence."""
    end = data[-_MAX_SEQUENCE:]
    if match := _OPEN_SEQUENCE.search(end):
        return len(end) - match.start()
    for length in range(1, min(4, len(end) + 1)):
        lead = end[-length]
        if _CONTINUATION <= lead < _LEADS[0][0]:
            continue  # look further back for its lead
        expected = next((size for first, size in reversed(_LEADS) if lead >= first), 1)
        return length if expected > length else 0
    return 0
