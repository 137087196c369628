"""The interface of a store of news, whatever stores it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from mcp_background_job.core.news import Item, Reader, Way


class News(Protocol):
    """News and their readers. Implementations: ``SqliteNews``, shared by all processes, and ``MemoryNews``."""

    def expect(self, reader: Reader, subjects: Iterable[str], *, at: float) -> None:
        """Remember that this reader, in its conversation, awaits news of these jobs or runs."""
        ...

    def awaited(self, reader: Reader) -> dict[str, str]:
        """Return the subjects that the reader awaits news of, each with its conversation."""
        ...

    def readers(self, way: Way) -> set[Reader]:
        """Return all conversations of all readers that await something, or have news that this way has not told."""
        ...

    def add(self, reader: Reader, items: Iterable[Item], *, at: float) -> None:
        """Record news; a subject that has ended is no longer awaited. News that are known already change nothing."""
        ...

    def ends(self, reader: Reader, subject: str) -> list[Item]:
        """Return the news of a subject's ends that the reader was or will be told, oldest first."""
        ...

    def drop(self, reader: Reader, subjects: Collection[str]) -> None:
        """Forget that the reader awaits news of these subjects."""
        ...

    def conversations(self, reader: Reader, way: Way) -> set[str]:
        """Return the conversations of the reader that have news which this way has not told."""
        ...

    def take(
        self, reader: Reader, way: Way, conversations: Collection[str], *, spared: Collection[str] = ()
    ) -> list[Item]:
        """Return the news for these conversations that this way has not told, oldest first; now it has told them.

        Ends of the subjects in ``spared`` are left for later.
        """
        ...

    def tell(self, reader: Reader, subject: str, way: Way) -> None:
        """Note that this way has told all news of one subject, whatever their conversation."""
        ...

    def show(self, reader: Reader, subject: str, offsets: Mapping[str, int], *, at: float) -> None:
        """Remember how far the reader's conversation was shown each thing of a job; see ``core.news.Shown``."""
        ...

    def shown(self, reader: Reader, subject: str) -> dict[str, int]:
        """Return how far the reader's conversation was shown each thing of a job."""
        ...

    def changed_at(self) -> int:
        """Return a number that changes when another process writes here: nanoseconds since the epoch.

        Any thread may call it.
        """
        ...

    def forget(self, before: float) -> None:
        """Remove news and notes that are older than a moment (seconds since the epoch); awaited subjects stay."""
        ...

    def close(self) -> None:
        """Close the store."""
        ...
