"""Records with any JSON types as fields: read as dataclasses, and written once.

The records of jobs, which every release must be able to read, are in ``records``, with the types of their fields.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar, cast

from mcp_background_job.errors import CorruptRecordError
from mcp_background_job.jobdir.layout import FORMAT
from mcp_background_job.jobdir.records import write_all

Record = TypeVar("Record")


def encode(record: Any) -> bytes:
    """Return the form of a dataclass on disk."""
    return json.dumps({"version": FORMAT, **vars(record)}).encode()


def read(kind: type[Record], path: str, **made_of: Callable[[Any], object]) -> Record | None:
    """Read a dataclass; ``None`` if the file does not exist. Fields of newer releases are ignored.

    Args:
        kind: the dataclass.
        path: path of its file.
        made_of: functions that make a field's value from its JSON value, if the two differ.

    Raises:
        CorruptRecordError: the file exists but is not such a record.
    """
    try:
        with open(path, "rb") as file:
            raw: object = json.loads(file.read())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise CorruptRecordError(f"{path} cannot be read: {error}") from error
    if not isinstance(raw, dict):
        raise CorruptRecordError(f"{path} does not hold a JSON object")
    given = cast("dict[str, Any]", raw)
    values = {item.name: given[item.name] for item in fields(cast("Any", kind)) if item.name in given}
    try:
        values |= {name: make(values[name]) for name, make in made_of.items() if name in values}
        return kind(**values)
    except (TypeError, ValueError) as error:  # a field is missing, or has a word of a newer release
        raise CorruptRecordError(f"{path}: {error}") from error


def write_first(path: str, data: bytes, *, durable: bool = False) -> bool:
    """Write a file whole, mode 0600, unless it exists; returns whether it was written.

    Raises:
        OSError: the file cannot be written.
    """
    temporary = f"{path}.{secrets.token_hex(4)}.new"  # others may write it at once, also in this process
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        write_all(descriptor, data)
        if durable:
            os.fsync(descriptor)
        return _name_first(temporary, path)
    finally:
        os.close(descriptor)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _name_first(temporary: str, path: str) -> bool:
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links: of two concurrent writers the last one wins
        if os.path.exists(path):
            return False
        os.replace(temporary, path)
    return True
