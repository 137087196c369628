"""Hashes a file while it is received and written, in its own thread: all three release the interpreter lock.

So they overlap if there are enough processors; the gain is in ``docs/explanation/benchmarks.md``.
"""

from __future__ import annotations

import hashlib
import threading
from queue import SimpleQueue
from typing import Self

#: The buffer fits into a processor's cache, where it is hashed and written: twice as much takes longer (measured).
CHUNK = 128 * 1024

#: The number of buffers by which the hash may lag behind.
_BUFFERS = 8


class Digest:
    """The SHA-256 of the bytes in its buffers, in the order in which they are given back."""

    def __init__(self) -> None:
        """Starts nothing until it is entered as a context."""
        self._hash = hashlib.sha256()
        self._free: SimpleQueue[memoryview] = SimpleQueue()
        self._full: SimpleQueue[memoryview | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="digest", daemon=True)

    def __enter__(self) -> Self:
        for _ in range(_BUFFERS):
            self._free.put(memoryview(bytearray(CHUNK)))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._full.put(None)
        self._thread.join()

    def buffer(self) -> memoryview:
        """Return a buffer to fill, once the hash has finished with one."""
        return self._free.get()

    def update(self, chunk: memoryview) -> None:
        """Give back the filled part of a buffer. It may still be read until the next buffer is requested."""
        self._full.put(chunk)

    def hexdigest(self) -> str:
        """Return the hash; call this after the context has ended."""
        return self._hash.hexdigest()

    def _work(self) -> None:
        while (chunk := self._full.get()) is not None:
            self._hash.update(chunk)
            self._free.put(memoryview(chunk.obj))
