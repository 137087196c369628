"""The texts that the editor fills in when a prompt is queued: choices, dates, values of other nodes. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime

#: Nodes whose file name may have placeholders for the editor; the server fills in ``%width%`` and similar ones.
NAMED_BY_EDITOR = frozenset(
    {"SaveImage", "SaveImageAdvanced", "SaveSVGNode", "SaveVideo", "SaveAnimatedWEBP", "SaveWEBM", "SaveAudio"}
    | {"SaveAudioMP3", "SaveAudioOpus", "SaveAudioAdvanced", "SaveGLB", "Save3DAdvanced", "SaveGaussianSplat"}
    | {"SavePointCloud", "SaveAnimatedPNG", "CLIPSave", "VAESave", "ModelSave", "LoraSave", "SaveLatent"}
)

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_PLACEHOLDER = re.compile(r"%([^%]+)%")
_DATE_PART = re.compile(r"dd?|MM?|hh?|mm?|ss?|yyyy|yy")

#: Characters that a file name cannot have.
_NOT_IN_A_NAME = re.compile(r'[/?<>\\:*|"\x00-\x1F\x7F]')

#: Returns a random number below the given one.
Choose = Callable[[int], int]


def chosen(text: str, choose: Choose) -> str:
    r"""Return a text with one choice for each ``{red|blue}`` in it; ``\{`` is a brace, and comments are removed."""
    characters = iter(_COMMENT.sub("", text))
    return re.sub(r"\\([{}|])", r"\1", "".join(_pieces(characters, choose)))


def _pieces(characters: Iterator[str], choose: Choose) -> Iterator[str]:
    for character in characters:
        if character == "\\":
            yield character + next(characters, "")
        elif character == "{":
            options = _options(characters)
            yield chosen(options[choose(len(options))], choose)
        else:
            yield character


def _options(characters: Iterator[str]) -> list[str]:
    """Read choices up to the closing brace; choices within one are read when it is chosen."""
    options, depth = [""], 0
    for character in characters:
        if character == "}" and not depth:
            break
        if character == "|" and not depth:
            options.append("")
            continue
        depth += (character == "{") - (character == "}")
        options[-1] += character + next(characters, "") if character == "\\" else character
    return options


def filled(text: str, now: datetime, value_of: Callable[[str, str], str | None]) -> str:
    """Return a text with dates and values of widgets for ``%date:yyyy-MM-dd%`` and ``%KSampler.seed%``.

    Unknown placeholders stay as they are.
    """

    def replaced(match: re.Match[str]) -> str:
        name, dot, widget = match[1].partition(".")
        if dot and "." not in widget:
            value = value_of(name, widget)
            return match[0] if value is None else _NOT_IN_A_NAME.sub("_", value)
        form = match[1].removeprefix("date:")
        return match[0] if form == match[1] else _DATE_PART.sub(lambda part: _date(part[0], now), form)

    return _PLACEHOLDER.sub(replaced, text)


def _date(part: str, now: datetime) -> str:
    if part[0] == "y":
        return f"{now.year}"[-len(part) :]
    number = {"d": now.day, "M": now.month, "h": now.hour, "m": now.minute, "s": now.second}[part[0]]
    return f"{number:0{len(part)}}"
