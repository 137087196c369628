"""Adds this server to a client and removes it again: first computes the changes, then makes them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.install import files
from mcp_background_job.install.clients import Client, Machine, Wanted
from mcp_background_job.install.edits import Edit, grant, revoke, same_otherwise
from mcp_background_job.install.records import Record, Records
from mcp_background_job.install.wishes import Format, Wish

T = TypeVar("T")


@dataclass(frozen=True)
class Change:
    """The change of one file.

    Attributes:
        before: its text; None if there is no file.
        after: its text after the change; None if the file is removed.
        record: its record after the change; None if it has none.
        folders: the folders that are removed with the file if nothing else is in them, the innermost first.
    """

    path: Path
    before: str | None
    after: str | None
    record: Record | None
    folders: Sequence[Path] = ()

    def difference(self) -> str:
        """Return the change as a unified diff for people: line breaks and byte-order marks are not shown."""
        old, new = ((text or "").removeprefix("\ufeff").splitlines() for text in (self.before, self.after))
        was, will = ("/dev/null" if text is None else str(self.path) for text in (self.before, self.after))
        return "\n".join(difflib.unified_diff(old, new, was, will, lineterm=""))

    def make(self, records: Records) -> None:
        """Write the change.

        Raises:
            InvalidRequestError: the file has changed meanwhile, or cannot be written.
        """
        # A change for which the disk has no room is not recorded. And the record is written before the change: a change
        # without a record could not be undone exactly.
        with files.staged(self.path, self.before, self.after) as replace:
            if self.record:
                records.put(self.record)
            replace()
        if not self.record:
            records.forget(self.path)
        if self.after is None:
            files.remove_empty(self.folders)


def installed(wanted: Iterable[Wanted], records: Records) -> list[Change]:
    """Return the changes after which a client has the wanted entries; none if it has them.

    Raises:
        InvalidRequestError: a file cannot be read, parsed or edited.
    """
    return [change for path, wishes in _by_file(wanted) if (change := _installed(path, wishes, records))]


def uninstalled(wanted: Iterable[Wanted], records: Records) -> list[Change]:
    """Return the changes after which a client has no entry of this server.

    Raises:
        InvalidRequestError: a file cannot be read, parsed or edited.
    """
    return [change for path, wishes in _by_file(wanted) if (change := _uninstalled(path, wishes, records))]


def wanted_by(
    client: Client, machine: Machine, project: Path | None, command: list[str], *, hooks: bool
) -> list[Wanted]:
    """Return the entries that a client's files should have.

    Raises:
        InvalidRequestError: the client has no files for a project, or the command line is not UTF-8, which its files
        are.
    """
    for word in command:
        try:
            word.encode()
        except UnicodeEncodeError as error:
            raise InvalidRequestError(
                f"{word!a} is not UTF-8, so no client can be told to run it: give --command"
            ) from error
    server = client.server(machine, project, command)
    if server is None:
        raise InvalidRequestError(f"{client.title} has no configuration for one project: leave out --project")
    hook = client.hook(machine, project, command) if hooks else None
    return [server, hook] if hook else [server]


def _by_file(wanted: Iterable[Wanted]) -> list[tuple[Path, list[Wanted]]]:
    found: dict[Path, list[Wanted]] = {}
    for one in wanted:
        found.setdefault(one.path, []).append(one)
    return [*found.items()]


def _installed(path: Path, wishes: list[Wanted], records: Records) -> Change | None:
    before = files.read(path)
    text = before or ""
    record = records.get(path)
    if record is None or not _has_any(path, wishes, text):
        record = Record(path, created=before is None, folders=files.missing_folders(path))
    for one in wishes:
        after = _edited(path, grant, text, one)
        if after != text:
            record = record.with_edit(Edit.between(text, after))
        text = after
    return None if text == before else Change(path, before, text, record)


def _uninstalled(path: Path, wishes: list[Wanted], records: Records) -> Change | None:
    before = files.read(path)
    if before is None or not _has_any(path, wishes, before):
        return None
    record = records.get(path)
    text = _undone(record, wishes, before) if record else None
    if text is None:
        text = before
        for one in wishes:
            text = _edited(path, revoke, text, one)
    is_left = text or (record and not record.created)
    return Change(path, before, text if is_left else None, None, record.folders[::-1] if record else ())


def _undone(record: Record, wishes: list[Wanted], before: str) -> str | None:
    """Return the text from before the installation, with later changes by others; None if that is impossible."""
    asked = [one.wish for one in wishes]
    text = record.undone(before, [wish.mark for wish in asked])
    return text if text is not None and same_otherwise(wishes[0].kind, [before, text], asked) else None


def _has_any(path: Path, wishes: list[Wanted], text: str) -> bool:
    value = _parsed(path, lambda: wishes[0].kind.read(text))
    return any(one.wish.found_in(value) is not None for one in wishes)


def _edited(path: Path, edit: Callable[[Format, str, Wish], str], text: str, one: Wanted) -> str:
    return _parsed(path, lambda: edit(one.kind, text, one.wish))


def _parsed(path: Path, work: Callable[[], T]) -> T:
    try:
        return work()
    except ValueError as error:
        raise InvalidRequestError(f"{path} cannot be parsed: {error}; nothing was changed") from error
    except InvalidRequestError as error:
        raise InvalidRequestError(f"{path} was not changed: {error}") from error
