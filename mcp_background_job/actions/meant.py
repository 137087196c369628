"""What a caller means: arguments as models send them, brought into the types that an action declares.

Models send an array or an object as the JSON text of it, one thing where several may be given, a number where a text is
asked for, and null for what they leave out. The declared type decides what is meant, so the same holds for every
argument of every action. What is meant in no such way is left as it is, for the check to refuse.

A text stays one wherever a text may be given: a command that is JSON is still a command. Where one text or several may
be given, only an array of texts means several: ``["a", "b"]`` does, and ``[ab]``, an expression, does not. A ``Word``
is no such text: no id has quotation marks or brackets, so those that come around one are not its own.
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
    """What a text is known to be."""

    WORD = "word"
    WORDS = "words"


#: An id, or a name as ids are: one word.
Word = Annotated[str, _Text.WORD]

#: Some of those with commas between, which may come as an array.
Words = Annotated[str, _Text.WORDS]


@frozen
class Entries:
    """What is known of some entries of a free object: their kinds, by their keys."""

    kinds: Mapping[str, Any]


@dataclass
class _Kinds:
    """The kinds of which a value may be.

    Attributes:
        plain: those that are not lists; of texts, what is known of them.
        item: what a list has in it, if it may be one.
        entry: what a mapping has in it, if it may be one.
        known: the same of some entries, by their keys.
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
    """Return arguments as they are meant.

    Args:
        given: arguments as they came; those without a kind are passed on.
        kinds: the declared type of each, with what is said about it.
        optional: names of those that may be left out.
    """
    arguments = {name: _one(value, kinds[name]) if name in kinds else value for name, value in given.items()}
    return {name: value for name, value in arguments.items() if value is not None or name not in optional}


def _one(value: Any, kind: Any) -> Any:
    """Return a value as it is meant by somebody who knows that it is to be of this kind."""
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
    """Return the texts of an array of at least one."""
    values = _from_json(text) if text.lstrip().startswith("[") else None
    if not isinstance(values, list):
        return None
    items = cast("list[object]", values)
    return cast("list[str]", items) if all(isinstance(item, str) for item in items) else None


def _as_several(value: Any, kinds: _Kinds) -> Any:
    """Return a list with a value that is one of those meant to be in it."""
    if kinds.item is None or Any in kinds.plain or type(value) in kinds.plain:
        return value
    return [_one(value, kinds.item)]


def _from_json(text: str) -> Any:
    """Return what a text is the JSON of, ``None`` for nothing at all, and the text itself if it is not JSON."""
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
