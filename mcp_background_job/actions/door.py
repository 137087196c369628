"""A part of the house that is opened only when it is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from mcp_background_job.executors import lanes


class Closable(Protocol):
    """Something that is closed at the end."""

    async def close(self) -> None:
        """Release its resources."""
        ...


Room = TypeVar("Room", bound=Closable)


class Door(Generic[Room]):
    """Something that is made when it is first asked for: the libraries of ComfyUI take half a second to load."""

    def __init__(self, make: Callable[[], Room]) -> None:
        """Takes the function that makes it; this function may block."""
        self._make = make
        self._made: Room | None = None
        self._making = asyncio.Lock()

    async def open(self) -> Room:
        """Return it, and make it first if necessary.

        Raises:
            BackgroundJobError: settings, journal or directory cannot be used.
        """
        async with self._making:
            if self._made is None:
                self._made = await lanes.lasting(self._make)
            return self._made

    async def close(self) -> None:
        """Close it, if it was made."""
        if self._made is not None:
            await self._made.close()
