"""Turns a report into lines for people, a field each. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from mcp_background_job.cli.top.pager import Line
from mcp_background_job.cli.wording import typed

#: Cells of a field's name.
_NAME = 14

#: Fields whose names are not needed.
_BARE = ("traceback",)

_STYLES = {"error": "red", "crash": "red", "detail": "red", "why": "red", "warnings": "yellow", "wedge": "red"}


def lines_of(report: Mapping[str, Any], *, but: tuple[str, ...] = ()) -> list[Line]:
    """Return the fields that have something in them, but for some."""
    told: list[Line] = []
    for name, value in report.items():
        if name in but or value in (None, "", [], {}):
            continue
        style = _STYLES.get(name, "")
        label = name.replace("_", " ")
        for number, text in enumerate(_texts(value)):
            told.append(Line(f"{'' if number else label:<{_NAME}} {typed(text)}", style))
    return told


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        if all(not isinstance(part, (dict, list)) for part in fields.values()):
            yield ", ".join(f"{name} {part}" for name, part in fields.items())
            return
        for name, part in fields.items():
            texts = list(_texts(part))
            yield from texts if name in _BARE else [f"{name}: {text}" for text in texts]
    elif isinstance(value, list):
        for part in cast("list[Any]", value):
            yield from _texts(part)
    else:
        yield from str(value).splitlines() or [""]
