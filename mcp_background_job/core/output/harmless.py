r"""The part of a program's output that may reach a terminal: text, colours, and drawing over its own lines.

A terminal obeys more than that: it takes a clipboard (OSC 52) or a title, answers questions as if a user had typed,
and changes its modes and keys. None of that passes. Characters that reorder the text behind them are shown as escapes.
"""

from __future__ import annotations

import codecs
import re

#: Controls of C0 and C1 except tab, line end, return and backspace.
_CONTROL = re.compile(r"[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f]")

#: Characters that change the direction of the text behind them, and so can make a name look like another.
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_HIDDEN = re.compile(f"[\b\r]|{_CONTROL.pattern}|{_BIDI.pattern}")

#: Colours, the cursor, erasing. Only with numbers: a prefix such as ``?`` or ``>`` gives a sequence another meaning.
_DRAWS = re.compile(r"[0-9:;]*[ABCDEFGHKfm]|[012]?J")

_TOKEN = re.compile(
    r"(?P<text>[^\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f]+)"
    r"|(?:\x1b\[|\x9b)(?P<sequence>[0-?]*[ -/]*[@-~])"  # CSI: ECMA-48, 5.4
    r"|(?P<string>\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])"  # OSC and others, up to their end
    r"|\x1b[ -/]+[0-~]|\x1b[0-OQ-WYZ\\`-~]"
)
_BEGUN = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*\Z|\x1b[ -/]*\Z")

#: No sequence that draws is longer; anything longer is none.
_MAX_SEQUENCE = 64

#: Ends such a string. An escape that begins something else ends it too, and so does the end of the line: otherwise a
#: string that never ends would hide all output behind it.
_END_OF_STRING = re.compile(r"[\x07\x18\x1a\x9c]|\x1b\\|(?=\x1b[^\\])|(?=\n)")


class Filter:
    """Passes on the harmless part of bytes that come in pieces."""

    def __init__(self) -> None:
        """Begins with nothing."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._unread = ""
        self._in_string = False

    def feed(self, data: bytes) -> str:
        """Return the part that may reach a terminal; a sequence that is not complete waits for the next bytes."""
        text = self._unread + self._decoder.decode(data)
        self._unread = ""
        passed: list[str] = []
        position = 0
        while position < len(text):
            if self._in_string:
                end = _END_OF_STRING.search(text, position)
                if end is None:
                    self._unread = "\x1b" if text.endswith("\x1b") else ""
                    break
                self._in_string = False
                position = end.end()
                continue
            token = _TOKEN.match(text, position)
            if token is None:
                if _BEGUN.match(text, position) and len(text) - position <= _MAX_SEQUENCE:
                    self._unread = text[position:]
                    break
                position += 1
                continue
            position = token.end()
            passed.append(self._passed(token))
        return "".join(passed)

    def _passed(self, token: re.Match[str]) -> str:
        if token["string"]:
            self._in_string = True
        if sequence := token["sequence"]:
            return f"\x1b[{sequence}" if _DRAWS.fullmatch(sequence) else ""
        return _BIDI.sub(_escaped, token["text"] or "")


def shown(text: str) -> str:
    """Return text with escapes for controls, except tabs and line ends, and for characters that reorder it."""
    return text if text.isascii() and text.isprintable() else _HIDDEN.sub(_escaped, text)


def shown_in_json(text: str) -> str:
    r"""Return JSON in which such characters are written as ``\u202e``: its meaning stays the same."""
    return text if text.isascii() else _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
