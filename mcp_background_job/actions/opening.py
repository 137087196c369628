"""The objects that actions work on, made when they are first needed: many sessions never need them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

Room = TypeVar("Room")

#: Returns the object; the first call makes it, outside the event loop.
Opened: TypeAlias = Callable[[], Awaitable[Room]]


def at_hand(room: Room) -> Opened[Room]:
    """Return a function that opens an object that exists already."""

    async def opened() -> Room:
        return room

    return opened
