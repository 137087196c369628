"""Arguments as the caller means them: brought from the forms that models send into the types that an action declares.

Models send an array or an object as its JSON text, a single value where several are allowed, a number for a text, and
null for arguments that they leave out. The declared type decides what is meant, so the same rules hold for every
argument of every action. Any other value is left as it is, and the check refuses it.

A text stays a text wherever one is allowed: a command that is JSON is still a command. If one text or several are
allowed, only an array of texts means several: ``["a", "b"]`` does, and ``[ab]``, an expression, does not. A ``Word`` is
different: no id has quotation marks or brackets, so those around one are removed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin

from pydantic_core import from_json

from mcp_background_job.core.values import frozen


class _Text(Enum):
    """The special kinds of texts."""

    WORD = "word"
    WORDS = "words"


#: An id, or a name in the form of ids: one word.
Word = Annotated[str, _Text.WORD]

#: Several words, with commas between them; they may come as an array.
Words = Annotated[str, _Text.WORDS]


@frozen
class Entries:
    """The kinds of some entries of a free object, by their keys."""

    kinds: Mapping[str, Any]


@dataclass
class _Kinds:
    """The kinds that a value may have.

    Attributes:
        plain: the kinds that are not lists; for texts, their special kinds.
        item: the kind of a list's items, if the value may be a list.
        entry: the kind of a mapping's entries, if the value may be a mapping.
        known: the kinds of some entries, by their keys.
    """

    plain: set[Any] = field(default_factory=set[Any])
    item: Any = None
    entry: Any = None
    known: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def is_word(self) -> bool:
        return not self.plain.isdisjoint(_Text)

    @property
    def is_text(self) -> bool:
        return self.is_word or str in self.plain


def meant(given: Mapping[str, Any], kinds: Mapping[str, Any], optional: frozenset[str]) -> dict[str, Any]:
    """Return arguments as the caller means them.

    Args:
        given: arguments as they came; those without a declared type are passed on.
        kinds: the declared type of each argument, with its annotations.
        optional: names of the arguments that may be left out.
    """
    arguments = {name: _one(value, kinds[name]) if name in kinds else value for name, value in given.items()}
    return {name: value for name, value in arguments.items() if value is not None or name not in optional}


def _one(value: Any, kind: Any) -> Any:
    """Return a value in the declared kind."""
    return _of_kinds(value, _kinds(kind))


def _of_kinds(value: Any, kinds: _Kinds) -> Any:
    if isinstance(value, str):
        return _of_word(value, kinds) if kinds.is_word else _of_text(value, kinds)
    if isinstance(value, list):
        return _of_list(cast("list[object]", value), kinds)
    if isinstance(value, dict) and kinds.entry is not None:
        return _of_mapping(cast("dict[str, object]", value), kinds)
    if isinstance(value, bool | int | float) and kinds.is_text and type(value) not in kinds.plain:
        return json.dumps(value)
    return value if value is None else _as_several(value, kinds)


def _of_list(values: list[Any], kinds: _Kinds) -> Any:
    if kinds.item is not None:
        return [_one(value, kinds.item) for value in values]
    if _Text.WORDS in kinds.plain:
        return ",".join(str(_one(value, Word)) for value in values)
    if _Text.WORD in kinds.plain and len(values) == 1:
        return _one(values[0], Word)
    return values


def _of_mapping(value: dict[str, Any], kinds: _Kinds) -> dict[str, Any]:
    entries = {key: _one(item, kinds.known.get(key, kinds.entry)) for key, item in value.items()}
    return entries if kinds.entry is Any else {key: item for key, item in entries.items() if item is not None}


def _of_word(text: str, kinds: _Kinds) -> Any:
    value = _from_json(text) if text.lstrip().startswith(('"', "[")) else text
    return text if value == text else _of_kinds(value, kinds)


def _of_text(text: str, kinds: _Kinds) -> Any:
    if Any in kinds.plain or (str in kinds.plain and kinds.item is None):
        return text
    if str in kinds.plain:
        return _texts(text) or text
    value = _from_json(text)
    if isinstance(value, list | dict) and (kinds.item if isinstance(value, list) else kinds.entry) is not None:
        return _of_kinds(value, kinds)
    if isinstance(value, str) and value != text and kinds.item is not str:
        return _of_text(value, kinds)  # the JSON text of a JSON text
    return None if value is None else _as_several(text, kinds)


def _texts(text: str) -> list[str] | None:
    """Return the texts of an array that has at least one, ``None`` for anything else."""
    values = _from_json(text) if text.lstrip().startswith("[") else None
    if not isinstance(values, list):
        return None
    items = cast("list[object]", values)
    return cast("list[str]", items) if all(isinstance(item, str) for item in items) else None


def _as_several(value: Any, kinds: _Kinds) -> Any:
    """Return a value as a list of one, if a list of such values is expected."""
    if kinds.item is None or Any in kinds.plain or type(value) in kinds.plain:
        return value
    return [_one(value, kinds.item)]


def _from_json(text: str) -> Any:
    """Return the value of a JSON text, ``None`` for a blank one, and the text itself if it is not JSON."""
    if not text.strip():
        return None
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError:
        return text


def _kinds(kind: Any) -> _Kinds:
    """Return the kinds that a declared type allows."""
    found = _Kinds()
    _take(kind, found)
    return found


def _take(kind: Any, found: _Kinds) -> None:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        told = kind.__metadata__
        found.known = next((one.kinds for one in told if isinstance(one, Entries)), found.known)
        words = [one for one in told if isinstance(one, _Text)]
        found.plain.update(words)
        if not words:
            _take(parts[0], found)
    elif origin in (Union, UnionType):
        for part in parts:
            _take(part, found)
    elif origin is list:
        found.item = parts[0]
    elif origin is dict:
        found.plain.add(dict)
        found.entry = parts[1]
    elif kind is not NoneType:
        found.plain.add(kind)
