"""What a caller means: arguments as models send them, brought into the types that an action declares.

Models send an array or an object as the JSON text of it, one thing where several may be given, a number where a text is
asked for, and null for what they leave out. The declared type decides what is meant, so the same holds for every
argument of every action. What is meant in no such way is left as it is, for the check to refuse.

A text stays one wherever a text may be given: a command that is JSON is still a command. Where one text or several may
be given, only an array of texts means several: ``["a", "b"]`` does, and ``[ab]``, an expression, does not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin

from pydantic_core import from_json


def meant(given: Mapping[str, Any], kinds: Mapping[str, Any], optional: frozenset[str]) -> dict[str, Any]:
    """Return arguments as they are meant.

    Args:
        given: arguments as they came; those without a kind are passed on.
        kinds: the declared type of each.
        optional: names of those that may be left out.
    """
    arguments = {name: _one(value, kinds[name]) if name in kinds else value for name, value in given.items()}
    return {name: value for name, value in arguments.items() if value is not None or name not in optional}


def _one(value: Any, kind: Any) -> Any:
    """Return a value as it is meant by somebody who knows that it is to be of this kind."""
    kinds = _alternatives(kind)
    if isinstance(value, str):
        return _of_text(value, kinds)
    if isinstance(value, list) and (several := _of_origin(list, kinds)):
        return [_one(item, _item(several)) for item in cast("list[object]", value)]
    if isinstance(value, dict) and (mapping := _of_origin(dict, kinds)):
        return _of_mapping(cast("dict[str, object]", value), _item(mapping))
    if isinstance(value, bool | int | float) and str in kinds and type(value) not in kinds:
        return json.dumps(value)
    return value if value is None else _as_several(value, kinds)


def _of_mapping(value: dict[str, Any], kind: Any) -> dict[str, Any]:
    entries = {key: _one(item, kind) for key, item in value.items()}
    return entries if kind is Any else {key: item for key, item in entries.items() if item is not None}


def _of_text(text: str, kinds: list[Any]) -> Any:
    several = _of_origin(list, kinds)
    if Any in kinds or (str in kinds and several is None):
        return text
    if str in kinds:
        return _texts(text) or text
    value = _from_json(text)
    if isinstance(value, list | dict) and _of_origin(type(value), kinds):  # pyright: ignore[reportUnknownArgumentType]
        return _one(value, Union[tuple(kinds)])  # noqa: UP007  only known here
    return None if value is None else _as_several(text, kinds)


def _texts(text: str) -> list[str] | None:
    """Return the texts of an array of at least one."""
    values = _from_json(text) if text.lstrip().startswith("[") else None
    if not isinstance(values, list):
        return None
    items = cast("list[object]", values)
    return cast("list[str]", items) if all(isinstance(item, str) for item in items) else None


def _as_several(value: Any, kinds: list[Any]) -> Any:
    """Return a list with a value that is one of those meant to be in it."""
    several = _of_origin(list, kinds)
    return [_one(value, _item(several))] if several and not _fits(value, kinds) else value


def _fits(value: Any, kinds: list[Any]) -> bool:
    return Any in kinds or any(type(value) is (get_origin(kind) or kind) for kind in kinds)


def _from_json(text: str) -> Any:
    """Return what a text is the JSON of, ``None`` for nothing at all, and the text itself if it is no JSON."""
    if not text.strip():
        return None
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError:
        return text


def _alternatives(kind: Any) -> list[Any]:
    """Return the kinds of which a value may be, without what is only said about them."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _alternatives(get_args(kind)[0])
    if origin in (Union, UnionType):
        return [one for part in get_args(kind) for one in _alternatives(part)]
    return [] if kind is NoneType else [kind]


def _of_origin(origin: type, kinds: list[Any]) -> Any:
    return next((kind for kind in kinds if get_origin(kind) is origin), None)


def _item(kind: Any) -> Any:
    """Return the kind of what is in a list or a mapping."""
    return get_args(kind)[-1]
