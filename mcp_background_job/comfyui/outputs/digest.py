"""Hashes a file while it is received and written, in a thread of its own: all three let go of the interpreter.

So they overlap where there are processors for it; what it comes to is in ``docs/explanation/benchmarks.md``.
"""

from __future__ import annotations

import hashlib
import threading
from queue import SimpleQueue
from typing import Self

#: Fits the cache next to a processor, from which it is hashed and written: twice as much takes longer (measured).
CHUNK = 128 * 1024

#: So far the hash may lag behind.
_BUFFERS = 8


class Digest:
    """The SHA-256 of what its buffers are filled with, in the order in which they are given back."""

    def __init__(self) -> None:
        """Starts nothing before it is entered."""
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
        """Return a buffer to be filled, when the hash has done with one."""
        return self._free.get()

    def update(self, chunk: memoryview) -> None:
        """Give a buffer back, or rather what was filled of it. It may still be read until the next one is asked for."""
        self._full.put(chunk)

    def hexdigest(self) -> str:
        """Return the hash; to be asked for when it is left."""
        return self._hash.hexdigest()

    def _work(self) -> None:
        while (chunk := self._full.get()) is not None:
            self._hash.update(chunk)
            self._free.put(memoryview(chunk.obj))
