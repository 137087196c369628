"""Something that changes, and callers that wait for the next change."""

from __future__ import annotations

import asyncio
import contextlib


class Change:
    """A count of changes that can be waited for.

    Attributes:
        count: how many there were.
    """

    def __init__(self) -> None:
        """Has not changed yet."""
        self.count = 0
        self._next = asyncio.Event()
        self._error: Exception | None = None

    def tell(self) -> None:
        """Wake all who wait."""
        self.count += 1
        told, self._next = self._next, asyncio.Event()
        told.set()

    def fail(self, error: Exception) -> None:
        """Have this raised to all who wait, and who will: there will be no change any more."""
        self._error = error
        self.tell()

    async def beyond(self, count: int, patience_s: float | None) -> None:
        """Wait until there were more changes than ``count``, so long at most (``None``: as long as it takes)."""
        if self._error is None and self.count <= count:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await self._next.wait()
        if self._error is not None:
            raise self._error
