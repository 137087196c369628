"""A store of news in memory: for tests, and for a server that cannot use the database."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mcp_background_job.core.news import MAX_PER_READER, Item, Kind, Reader, Way


@dataclass
class _Entry:
    item: Item
    noted_at: float
    told: set[Way] = field(default_factory=set[Way])


@dataclass
class _Memory:
    """Everything that is kept for one reader, oldest first."""

    awaited: dict[str, tuple[str, float]] = field(default_factory=dict[str, tuple[str, float]])
    entries: dict[tuple[str, Kind, str], _Entry] = field(default_factory=dict[tuple[str, Kind, str], _Entry])
    #: For each subject: when it was last shown, and the offsets by conversation and thing.
    shown: dict[str, tuple[float, dict[tuple[str, str], int]]] = field(
        default_factory=dict[str, tuple[float, dict[tuple[str, str], int]]]
    )


class MemoryNews:
    """A store of news of one process."""

    def __init__(self) -> None:
        """Begins empty."""
        self._readers: dict[str, _Memory] = {}

    def expect(self, reader: Reader, subjects: Iterable[str], *, at: float) -> None:
        awaited = self._of(reader).awaited
        for subject in subjects:
            _, since = awaited.get(subject, ("", at))
            awaited[subject] = (reader.conversation, since)
        _bound(awaited)

    def awaited(self, reader: Reader) -> dict[str, str]:
        return {subject: conversation for subject, (conversation, _) in self._of(reader).awaited.items()}

    def readers(self, way: Way) -> set[Reader]:
        return {
            Reader(name, conversation)
            for name in self._readers
            for conversation in (*self.awaited(Reader(name)).values(), *self.conversations(Reader(name), way))
        }

    def add(self, reader: Reader, items: Iterable[Item], *, at: float) -> None:
        memory = self._of(reader)
        for item in items:
            memory.entries.setdefault((item.subject, item.kind, item.key), _Entry(item, at))
            if item.kind is Kind.ENDED:
                memory.awaited.pop(item.subject, None)
        _bound(memory.entries)

    def ends(self, reader: Reader, subject: str) -> list[Item]:
        items = [entry.item for entry in self._of(reader).entries.values()]
        return [item for item in items if item.subject == subject and item.kind is Kind.ENDED]

    def drop(self, reader: Reader, subjects: Collection[str]) -> None:
        for subject in subjects:
            self._of(reader).awaited.pop(subject, None)

    def conversations(self, reader: Reader, way: Way) -> set[str]:
        return {entry.item.conversation for entry in self._untold(reader, way)}

    def take(
        self, reader: Reader, way: Way, conversations: Collection[str], *, spared: Collection[str] = ()
    ) -> list[Item]:
        untold = [
            entry
            for entry in self._untold(reader, way)
            if entry.item.conversation in conversations
            and not (entry.item.kind is Kind.ENDED and entry.item.subject in spared)
        ]
        for entry in untold:
            entry.told.add(way)
        return [entry.item for entry in untold]

    def tell(self, reader: Reader, subject: str, way: Way) -> None:
        for entry in self._untold(reader, way):
            if entry.item.subject == subject:
                entry.told.add(way)

    def show(self, reader: Reader, subject: str, offsets: Mapping[str, int], *, at: float) -> None:
        shown = self._of(reader).shown
        _, before = shown.pop(subject, (at, {}))
        shown[subject] = (at, {**before, **{(reader.conversation, what): to for what, to in offsets.items()}})
        _bound(shown)

    def shown(self, reader: Reader, subject: str) -> dict[str, int]:
        _, offsets = self._of(reader).shown.get(subject, (0.0, {}))
        return {what: offset for (conversation, what), offset in offsets.items() if conversation == reader.conversation}

    def changed_at(self) -> int:
        return 0  # there is no other process

    def forget(self, before: float) -> None:
        for memory in self._readers.values():
            memory.entries = {key: entry for key, entry in memory.entries.items() if entry.noted_at >= before}
            memory.shown = {key: value for key, value in memory.shown.items() if value[0] >= before}

    def close(self) -> None:
        self._readers.clear()

    def _of(self, reader: Reader) -> _Memory:
        return self._readers.setdefault(reader.name, _Memory())

    def _untold(self, reader: Reader, way: Way) -> list[_Entry]:
        return [entry for entry in self._of(reader).entries.values() if way not in entry.told]


def _bound(entries: dict[Any, Any]) -> None:
    for key in list(entries)[: max(0, len(entries) - MAX_PER_READER)]:
        del entries[key]
