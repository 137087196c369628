"""Writes a log as release 1.0.0 does: in segments, which it rotates and drops."""

from __future__ import annotations

import os
import struct

from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.log.format import ENTRY, MAGIC, Stream

_SEGMENTS = 4
_HEADER = struct.Struct("<8sQ8x")


class OldLog:
    """The log of one job."""

    def __init__(self, job: JobDir, max_bytes: int) -> None:
        self.end = 0
        self.dropped = 0
        self._job = job
        self._segment_size = max_bytes // _SEGMENTS
        self._full: list[tuple[int, int]] = []
        self._open()

    def write(self, stream: Stream, data: bytes, at: float) -> None:
        if os.fstat(self._log).st_size + len(data) > self._segment_size:
            self._rotate()
        os.write(self._log, data)
        os.write(self._index, ENTRY.pack(self.end, at, len(data), stream))
        self.end += len(data)

    def close(self) -> None:
        os.close(self._log)
        os.close(self._index)

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._log = os.open(self._job.log, flags, 0o600)
        self._index = os.open(self._job.index, flags, 0o600)
        os.write(self._index, _HEADER.pack(MAGIC, self.end))
        self._start = self.end

    def _rotate(self) -> None:
        self.close()
        for path in (self._job.index, self._job.log):
            os.rename(path, f"{path}.{self._start:020d}")
        self._full.append((self._start, self.end - self._start))
        self._open()
        while len(self._full) > _SEGMENTS - 1:
            start, length = self._full.pop(0)
            for path in (self._job.log, self._job.index):
                os.unlink(f"{path}.{start:020d}")
            self.dropped += length
