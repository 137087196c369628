"""What actions work on, made when it is first needed: many a session never needs it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

Room = TypeVar("Room")

#: Returns the thing, and makes it first, not on the event loop, if nobody has asked for it before.
Opened: TypeAlias = Callable[[], Awaitable[Room]]


def at_hand(room: Room) -> Opened[Room]:
    """Return what gives out something that is there."""

    async def opened() -> Room:
        return room

    return opened
