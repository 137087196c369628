"""The entries that a client's file should have, independent of the file's format."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, cast

from mcp_background_job.errors import InvalidRequestError

_Object = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """A member of nested objects: the object at its path has at least these values.

    Attributes:
        path: the keys that lead to it.
        value: its values. Other existing values, such as a user's ``env``, stay.
    """

    path: tuple[str, ...]
    value: _Object

    @property
    def mark(self) -> str:
        """The text by which the entry is recognised."""
        return self.path[-1]

    def found_in(self, value: Any) -> Any:
        """Return the value at its path, or None."""
        return _at(value, self.path)

    def granted_in(self, value: _Object, *, first: bool) -> _Object:  # noqa: ARG002  objects have no order
        """Return a copy of the file's content with the entry.

        Raises:
            InvalidRequestError: something other than an object stands on its path.
        """
        changed = copy.deepcopy(value)
        _object_at(changed, self.path).update(self.value)
        return changed

    def absent_from(self, value: _Object) -> _Object:
        """Return a copy of the file's content without the entry."""
        changed = copy.deepcopy(value)
        parent = _at(changed, self.path[:-1])
        if isinstance(parent, dict):
            cast("_Object", parent).pop(self.path[-1], None)
        return changed


@dataclass(frozen=True)
class Element:
    """An element of an array, such as a hook.

    Attributes:
        path: the keys that lead to the array.
        value: the element.
        mark: a text within it that only our element has.
    """

    path: tuple[str, ...]
    value: _Object
    mark: str

    def place_in(self, value: Any) -> int | None:
        """Return the index of our element in the array; None if it is not there."""
        items = _at(value, self.path)
        there = cast("list[Any]", items) if isinstance(items, list) else []
        ours = [number for number, item in enumerate(there) if self.mark in _texts(item)]
        return ours[0] if ours else None

    def found_in(self, value: Any) -> Any:
        """Return our element as it stands in the file, or None."""
        place = self.place_in(value)
        return None if place is None else _at(value, self.path)[place]

    def granted_in(self, value: _Object, *, first: bool) -> _Object:
        """Return a copy of the file's content that has this element, as the only one of ours.

        Args:
            value: the content of the file.
            first: whether a new element goes before the existing ones, or after them.

        Raises:
            InvalidRequestError: something other than an array of objects stands on its path.
        """
        changed = copy.deepcopy(value)
        parent = _object_at(changed, self.path[:-1])
        found: Any = parent.setdefault(self.path[-1], [])
        if not isinstance(found, list):
            raise InvalidRequestError(f"{'.'.join(self.path)} should be an array, and is not")
        items = cast("list[Any]", found)
        place = self.place_in(changed)
        if place is None:
            items.insert(0 if first else len(items), self.value)
        else:
            items[place] = self.value
        return changed

    def absent_from(self, value: _Object) -> _Object:
        """Return a copy of the file's content without the element."""
        changed = copy.deepcopy(value)
        if (place := self.place_in(changed)) is not None:
            del _at(changed, self.path)[place]
        return changed


Wish = Entry | Element


class Format(Protocol):
    """How files of one format are read and edited.

    Attributes:
        new_first: whether new elements of arrays go before the existing ones.
    """

    new_first: ClassVar[bool]

    def read(self, text: str) -> _Object:
        """Return the content of the file; an empty object for an empty file.

        Raises:
            ValueError: the text cannot be parsed; the message says where.
        """
        ...

    def granted(self, text: str, wish: Wish) -> str:
        """Return the text with the wanted entry, and otherwise unchanged."""
        ...

    def revoked(self, text: str, wish: Wish) -> str:
        """Return the text without the wanted entry, and otherwise unchanged."""
        ...


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        value = cast("_Object", value).get(key) if isinstance(value, dict) else None
    return value


def _object_at(value: _Object, path: tuple[str, ...]) -> _Object:
    for depth, key in enumerate(path, 1):
        below: Any = value.setdefault(key, {})
        if not isinstance(below, dict):
            raise InvalidRequestError(f"{'.'.join(path[:depth])} should be an object, and is not")
        value = cast("_Object", below)
    return value


def _texts(value: Any) -> str:
    """Return all texts within a value, one per line."""
    if isinstance(value, dict):
        return "\n".join(map(_texts, cast("_Object", value).values()))
    if isinstance(value, list):
        return "\n".join(map(_texts, cast("list[Any]", value)))
    return value if isinstance(value, str) else ""
