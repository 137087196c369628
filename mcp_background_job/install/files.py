"""Reads and replaces a client's file: whole or not at all, with its mode, and following links."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Callable, Generator, Iterable
from pathlib import Path

from mcp_background_job.errors import InvalidRequestError

#: The mode of new files: they may come to hold secrets.
_NEW_FILE_MODE = 0o600

_ANY_WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def read(path: Path) -> str | None:
    """Return a file's text, with its byte-order mark and line breaks unchanged; None if there is no file.

    Raises:
        InvalidRequestError: the path cannot be read, or is not a file, or not a text.
    """
    try:
        # Reading a pipe would block for ever, and through a link to /dev/null we would replace that.
        if path.exists() and not path.is_file():
            raise InvalidRequestError(f"{path} is not a file: put one in its place, and try again")
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"{path} is not in UTF-8: save it as such, and try again") from error
    except OSError as error:
        raise InvalidRequestError(f"{path} cannot be read: {error.strerror}") from error


def write(path: Path, before: str | None, after: str | None) -> None:
    """Replace a file's text, or remove the file; see ``staged``."""
    with staged(path, before, after) as replace:
        replace()


def missing_folders(path: Path) -> tuple[Path, ...]:
    """Return the folders that must be made for a file, the outermost first."""
    missing = [folder for folder in Path(os.path.realpath(path)).parents if not folder.exists()]
    return tuple(reversed(missing))


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove folders up to the first that is not empty, or that cannot be removed: it stays, as it harms nobody."""
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()


@contextlib.contextmanager
def staged(path: Path, before: str | None, after: str | None) -> Generator[Callable[[], None]]:
    """Write a file's new text beside it, and yield a function that puts it in place, which needs no further space.

    Args:
        path: path of the file, or of a link to it; a link stays.
        before: the expected content of the file.
        after: its new content; None if the file is removed.

    Raises:
        InvalidRequestError: the file has other content by now, or cannot be written; it is then unchanged.
    """
    if read(path) != before:
        raise InvalidRequestError(f"{path} was changed meanwhile, by its client perhaps: try again")
    # Dotfiles are often links into a repository; a link must not be replaced by a file.
    target = Path(os.path.realpath(path))
    with _told(path):
        if target.exists() and not target.stat().st_mode & _ANY_WRITE:  # a new file in its place would ignore that
            raise InvalidRequestError(f"{path} is read-only: make it writable (chmod u+w), and try again")
        temporary = None if after is None else _beside(target, after.encode())

    def replace() -> None:
        with _told(path):
            if temporary is None:
                target.unlink()
            else:
                temporary.replace(target)

    try:
        yield replace
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _told(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidRequestError(f"{path} cannot be written: {error.strerror}; it is as it was") from error


def _beside(target: Path, content: bytes) -> Path:
    """Write a new file beside another, with its mode and owner."""
    target.parent.mkdir(parents=True, exist_ok=True)
    facts = target.stat() if target.exists() else None
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
            os.fchmod(descriptor, stat.S_IMODE(facts.st_mode) if facts else _NEW_FILE_MODE)
            if facts and (facts.st_uid, facts.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(descriptor, facts.st_uid, facts.st_gid)
    except BaseException:
        Path(temporary).unlink()
        raise
    return Path(temporary)
