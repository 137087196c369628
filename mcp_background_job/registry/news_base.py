"""What a store of news offers, whatever it is kept in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from mcp_background_job.core.news import Item, Reader, Way


class News(Protocol):
    """What is new for whom. Implementations: ``SqliteNews``, shared by all processes, and ``MemoryNews``."""

    def expect(self, reader: Reader, subjects: Iterable[str], *, at: float) -> None:
        """Remember that news of these jobs or runs are for this reader, in its conversation."""
        ...

    def awaited(self, reader: Reader) -> dict[str, str]:
        """Return what the reader awaits news of, in any of its conversations, each with its conversation."""
        ...

    def readers(self, way: Way) -> set[Reader]:
        """Return all conversations of any reader that await something, or have news that this way has not told."""
        ...

    def add(self, reader: Reader, items: Iterable[Item], *, at: float) -> None:
        """Record news; what has ended is no longer awaited. The same news again change nothing."""
        ...

    def ends(self, reader: Reader, subject: str) -> list[Item]:
        """Return what the reader was or will be told of how something ended, oldest first."""
        ...

    def drop(self, reader: Reader, subjects: Collection[str]) -> None:
        """Forget that the reader awaits news of these."""
        ...

    def conversations(self, reader: Reader, way: Way) -> set[str]:
        """Return the conversations of the reader for which there are news that this way has not told."""
        ...

    def take(
        self, reader: Reader, way: Way, conversations: Collection[str], *, spared: Collection[str] = ()
    ) -> list[Item]:
        """Return what this way has not told of the news for these conversations, oldest first; now it has told them.

        The ends of what is spared are left for another time.
        """
        ...

    def tell(self, reader: Reader, subject: str, way: Way) -> None:
        """Note that this way has told all that is new of one subject, in whichever conversation."""
        ...

    def show(self, reader: Reader, subject: str, offsets: Mapping[str, int], *, at: float) -> None:
        """Remember how far the reader's conversation was shown what of a job; see ``core.news.Shown``."""
        ...

    def shown(self, reader: Reader, subject: str) -> dict[str, int]:
        """Return how far the reader's conversation was shown what of a job."""
        ...

    def changed_at(self) -> int:
        """Return a number that changes when another process writes here: nanoseconds since the epoch. In any thread."""
        ...

    def forget(self, before: float) -> None:
        """Remove news and notes that are older than a moment (seconds since the epoch); what is awaited stays."""
        ...

    def close(self) -> None:
        """Let go of the store."""
        ...
