"""Keeps two callers from starting a job under one name at once: in one process, in several, and beside release 1.0.0.

Each name is a byte of ``names.lock``, and a process that starts a job under it locks that byte. Release 1.0.0 locks the
whole file: it waits for every name that we hold, and we wait for it. A file per name would have to be removed some
time, while another process may be about to lock it.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from mcp_background_job.errors import StateDirError
from mcp_background_job.executors import locks
from mcp_background_job.jobdir import lock

#: A restart under a name lasts as long as the old job takes to end; a process that holds a name longer is stuck.
PATIENCE_S = 15.0

#: Bytes over which names are spread: so many that no two names meet, and every system can lock the offsets.
_BYTES = 2**62


class Names(Protocol):
    """Names of jobs, each held by at most one caller at a time."""

    def held(self, name: str) -> AbstractAsyncContextManager[bool]:
        """Hold a name; yields whether it was acquired. If another process is stuck with it, go on without it."""
        ...


class FileNames:
    """Names that are locked in a file which all servers and command lines share."""

    def __init__(self, path: str) -> None:
        """Takes the path of the file."""
        self._path = path

    def held(self, name: str) -> AbstractAsyncContextManager[bool]:
        """Hold a name, waiting for it on the event loop: neither a thread nor another name is held up."""
        byte = _byte_of(name)
        return locks.held(lambda: self._try(byte), patience_s=PATIENCE_S)

    def _try(self, byte: int) -> int | None:
        try:
            return lock.try_byte(self._path, byte)
        except OSError as error:
            raise StateDirError(f"no job can be started under a name: {self._path}: {error.strerror}") from error


def _byte_of(name: str) -> int:
    import hashlib  # noqa: PLC0415  only for jobs with a name

    digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest) % _BYTES
