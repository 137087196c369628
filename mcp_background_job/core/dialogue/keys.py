"""The keys of a terminal, by names that people use."""

from __future__ import annotations

from mcp_background_job.errors import InvalidRequestError

#: The bytes that a terminal sends for a key: ECMA-48 and xterm's control sequences.
KEYS: dict[str, bytes] = {
    "enter": b"\r",
    "tab": b"\t",
    "shift-tab": b"\x1b[Z",
    "escape": b"\x1b",
    "backspace": b"\x7f",
    "space": b" ",
    "up": b"\x1b[A",
    "down": b"\x1b[B",
    "right": b"\x1b[C",
    "left": b"\x1b[D",
    "home": b"\x1b[H",
    "end": b"\x1b[F",
    "page-up": b"\x1b[5~",
    "page-down": b"\x1b[6~",
    "insert": b"\x1b[2~",
    "delete": b"\x1b[3~",
    **{f"f{number}": b"\x1bO" + b"PQRS"[number - 1 : number] for number in range(1, 5)},
    **{f"f{5 + at}": b"\x1b[%d~" % code for at, code in enumerate((15, 17, 18, 19, 20, 21, 23, 24))},
}

#: Other names of these keys.
_ALSO = {
    "return": "enter",
    "esc": "escape",
    "backtab": "shift-tab",
    "bs": "backspace",
    "del": "delete",
    "ins": "insert",
    "pgup": "page-up",
    "pageup": "page-up",
    "pgdn": "page-down",
    "pgdown": "page-down",
    "pagedown": "page-down",
}

#: The number of a modifier in xterm's sequence of such a key: ``CSI 1 ; 5 A`` is ctrl-up.
_MODIFIERS = {"shift": 2, "alt": 3, "ctrl": 5}
_MODIFIED = {"up": b"A", "down": b"B", "right": b"C", "left": b"D", "home": b"H", "end": b"F"}

#: Their control characters are 64 below them; that of ``?`` is 64 above.
_CONTROLLED = "@abcdefghijklmnopqrstuvwxyz[\\]^_?"
_CTRL = 0x40


def bytes_of(key: str) -> bytes:
    """Return the bytes that a terminal sends for a key: a name, one character, or either behind ctrl-, alt- or shift-.

    Raises:
        InvalidRequestError: there is no such key.
    """
    found = _find(key)
    if found is None:
        raise InvalidRequestError(
            f"key {key!r} is unknown: give one character, {', '.join(sorted(KEYS))}, or one of these behind ctrl-, "
            "alt- or shift-, as in ctrl-c; eof ends the input"
        )
    return found


def plain_name(key: str) -> str:
    """Return the canonical name of a key."""
    if len(key) == 1:
        return key
    modifier, dash, rest = key.lower().replace("_", "-").replace("+", "-").partition("-")
    modifier = {"c": "ctrl", "control": "ctrl", "m": "alt", "meta": "alt", "s": "shift"}.get(modifier, modifier)
    if dash and rest and modifier in _MODIFIERS:
        # With alt, a capital letter is another key.
        return f"{modifier}-{key[-1] if len(rest) == 1 and modifier == 'alt' else _ALSO.get(rest, rest)}"
    name = key.lower().replace("_", "-")
    return _ALSO.get(name, name)


def _find(key: str) -> bytes | None:
    name = plain_name(key)
    if len(name) == 1:
        return name.encode()
    if name in KEYS:
        return KEYS[name]
    modifier, _, rest = name.partition("-")
    if modifier not in _MODIFIERS:
        return None
    if rest in _MODIFIED:
        return b"\x1b[1;%d" % _MODIFIERS[modifier] + _MODIFIED[rest]
    return _modified(modifier, rest)


def _modified(modifier: str, rest: str) -> bytes | None:
    if modifier == "alt":
        found = _find(rest)
        return None if found is None else b"\x1b" + found
    if modifier == "shift":
        return rest.upper().encode() if len(rest) == 1 else None
    if rest == "space":
        return b"\0"
    return bytes([ord(rest.upper()) ^ _CTRL]) if len(rest) == 1 and rest.lower() in _CONTROLLED else None
