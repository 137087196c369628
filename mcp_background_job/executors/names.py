"""Keeps two from starting a job under one name at once, in one process, in several, and beside release 1.0.0.

Each name is a byte of ``names.lock``, and whoever starts a job under it locks that byte. Release 1.0.0 locks the whole
file: it waits for every name that we hold, and we wait for it. A file per name would have to be removed some day, while
somebody may be about to lock it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from mcp_background_job.executors import lanes
from mcp_background_job.jobdir import lock

#: A restart under a name lasts as long as the old job takes to die; whoever holds a name for longer is stuck.
PATIENCE_S = 15.0

#: Between two attempts. The kernel does not tell when a lock is free, and a person does not notice this.
RETRY_S = 0.02

#: Bytes that names are spread over: so many that no two names meet, and an offset that every system can lock.
_BYTES = 2**62


class Names(Protocol):
    """Names of jobs, each to be held by one at a time."""

    def held(self, name: str) -> AbstractAsyncContextManager[bool]:
        """Hold a name. If somebody is stuck while holding it, go on without; yields whether it was got."""
        ...


class FileNames:
    """Names that are locked in a file which all servers and command lines share."""

    def __init__(self, path: str) -> None:
        """Names the file."""
        self._path = path

    @contextlib.asynccontextmanager
    async def held(self, name: str) -> AsyncGenerator[bool]:
        """Hold a name, waiting for it on the event loop: neither a thread nor another name is held up."""
        descriptor = await self._acquire(_byte_of(name))
        try:
            yield descriptor is not None
        finally:
            _let_go(descriptor)

    async def _acquire(self, byte: int) -> int | None:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            descriptor = await lanes.hold(lambda: lock.try_byte(self._path, byte), _let_go)
            if descriptor is not None or time.monotonic() >= deadline:
                return descriptor
            await asyncio.sleep(RETRY_S)


def _byte_of(name: str) -> int:
    import hashlib  # noqa: PLC0415  only for who starts a job under a name

    digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest) % _BYTES


def _let_go(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)
