"""The store of news in SQLite, shared by every server on this state directory."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from mcp_background_job.core.news import MAX_PER_READER, Item, Kind, Reader, Way
from mcp_background_job.registry import database
from mcp_background_job.registry.database import Database
from mcp_background_job.registry.text import storable

NEWS = database.Kind(
    folder="news",
    noun="store of news",
    if_newer="endings are told from memory instead; update mcp-background-job to use it",
    # No sync per transaction: a power failure that takes news has also ended the jobs that they are about.
    pragmas=("synchronous = NORMAL",),
    busy_timeout_s=2.0,  # all transactions of this program take milliseconds
)


class SqliteNews:
    """A store of news in a database file. Use it from one thread."""

    def __init__(self, path: str) -> None:
        """Opens the database; makes it or brings it to this release's form if needed.

        Raises:
            RegistryError: it cannot be used; the message gives the reason and advice.
        """
        self._database = Database(path, NEWS)

    def expect(self, reader: Reader, subjects: Iterable[str], *, at: float) -> None:
        name, conversation = _stored(reader)
        rows = [{"reader": name, "subject": item, "conversation": conversation, "at": at} for item in subjects]
        with self._database.writing() as write:
            write("expect", rows)
            write("bound_awaited", [_bounds(name)])

    def awaited(self, reader: Reader) -> dict[str, str]:
        rows = self._database.rows("awaited", reader=storable(reader.name))
        return {row["subject"]: row["conversation"] for row in rows}

    def readers(self, way: Way) -> set[Reader]:
        return {Reader(row["reader"], row["conversation"]) for row in self._database.rows("readers", way=way)}

    def add(self, reader: Reader, items: Iterable[Item], *, at: float) -> None:
        name, _ = _stored(reader)
        rows = [{"reader": name, "noted_at": at, **_row_of(item)} for item in items]
        with self._database.writing() as write:
            write("add", rows)
            write("no_longer_awaited", [row for row in rows if row["kind"] == Kind.ENDED])
            write("bound_news", [_bounds(name)])

    def ends(self, reader: Reader, subject: str) -> list[Item]:
        return [_item_of(row) for row in self._database.rows("ends", reader=storable(reader.name), subject=subject)]

    def drop(self, reader: Reader, subjects: Collection[str]) -> None:
        name, _ = _stored(reader)
        with self._database.writing() as write:
            write("no_longer_awaited", [{"reader": name, "subject": subject} for subject in subjects])

    def conversations(self, reader: Reader, way: Way) -> set[str]:
        rows = self._database.rows("untold_conversations", reader=storable(reader.name), way=way)
        return {row["conversation"] for row in rows}

    def take(
        self, reader: Reader, way: Way, conversations: Collection[str], *, spared: Collection[str] = ()
    ) -> list[Item]:
        with self._database.writing() as write:  # no other process can take them between query and note
            rows = self._database.rows(
                "untold",
                reader=storable(reader.name),
                way=way,
                conversations=json.dumps([storable(part) for part in conversations]),
                spared=json.dumps([storable(subject) for subject in spared]),
            )
            write("tell", [{"number": row["number"], "way": way} for row in rows])
        return [_item_of(row) for row in rows]

    def tell(self, reader: Reader, subject: str, way: Way) -> None:
        with self._database.writing() as write:
            write("tell_of", [{"reader": storable(reader.name), "subject": storable(subject), "way": way}])

    def show(self, reader: Reader, subject: str, offsets: Mapping[str, int], *, at: float) -> None:
        name, conversation = _stored(reader)
        row = {"reader": name, "conversation": conversation, "subject": subject, "at": at}
        with self._database.writing() as write:
            write("show", [{**row, "what": storable(what), "offset": offset} for what, offset in offsets.items()])
            write("bound_shown", [_bounds(name)])

    def shown(self, reader: Reader, subject: str) -> dict[str, int]:
        name, conversation = _stored(reader)
        rows = self._database.rows("shown", reader=name, conversation=conversation, subject=subject)
        return {row["what"]: row["offset"] for row in rows}

    def changed_at(self) -> int:
        # A write changes the first file, or, before a checkpoint, the second one.
        return max(_modified(self._database.path), _modified(f"{self._database.path}-wal"))

    def forget(self, before: float) -> None:
        with self._database.writing() as write:
            for query in ("forget_news", "forget_shown", "forget_told"):
                write(query, [{"before": before}])

    def close(self) -> None:
        self._database.close()


def _modified(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _stored(reader: Reader) -> tuple[str, str]:
    return storable(reader.name), storable(reader.conversation)


def _bounds(name: str) -> dict[str, object]:
    return {"reader": name, "limit": MAX_PER_READER}


def _row_of(item: Item) -> dict[str, object]:
    return {name: storable(value) if type(value) is str else value for name, value in vars(item).items()}


def _item_of(row: sqlite3.Row) -> Item:
    return Item(
        subject=row["subject"],
        kind=Kind(row["kind"]),
        at=row["at"],
        text=row["text"],
        conversation=row["conversation"],
        key=row["key"],
    )
