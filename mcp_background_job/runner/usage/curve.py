"""Writes ``usage.bin``; see ``jobdir.usage`` for its format."""

from __future__ import annotations

import contextlib
import os

from mcp_background_job.core.sampling import MAX_POINTS, thinned
from mcp_background_job.jobdir import usage
from mcp_background_job.jobdir.records import write_all
from mcp_background_job.jobdir.usage import HEADER, RECORD_SIZE, Sample


class Curve:
    """The samples of one job on disk: at most ``MAX_POINTS``, the newest last.

    None of them is held in memory: there may be hundreds of runners.
    """

    def __init__(self, path: str) -> None:
        """Takes the path; the file is made for the first sample, since most jobs end before that."""
        self._path = path
        self._descriptor = -1
        self._count = 0
        self._spacing = 0.0
        # The times of the last sample, and of the one before it.
        self._last = self._before = 0.0

    @property
    def is_begun(self) -> bool:
        """Whether there is a sample in it."""
        return self._count > 0

    def add(self, sample: Sample) -> None:
        """Add a sample; it replaces the one before if that is too near to the one before that.

        Raises:
            OSError: it could not be written; the file is as before, and the next one may succeed.
        """
        if self._descriptor < 0:
            self._descriptor = _create(self._path)
        if self._count == MAX_POINTS and self._must_keep_last():
            with contextlib.suppress(OSError):  # no room for another file: then the newest is replaced anyhow
                self._thin()
        keeps_last = self._must_keep_last() and self._count < MAX_POINTS
        place = self._count if keeps_last else self._count - 1
        data = usage.encode(sample)
        if os.pwrite(self._descriptor, data, HEADER.size + place * RECORD_SIZE) < len(data):
            return  # the disk is full; readers see that the record is not whole, and the next one replaces it
        if place == self._count:
            self._count += 1
            self._before = self._last
        self._last = sample.elapsed_s

    def _must_keep_last(self) -> bool:
        return self._count < 2 or self._last - self._before >= self._spacing  # noqa: PLR2004  the first always is

    def _thin(self) -> None:
        """Replace the file by one with half as many points; a reader of the old one still gets whole samples."""
        samples = usage.read(self._path)
        if not samples:  # the file was removed or overwritten
            raise OSError(f"{self._path} has no samples")
        places, spacing = thinned([sample.elapsed_s for sample in samples])
        new = f"{self._path}.new"
        descriptor = _create(new)
        try:
            write_all(descriptor, b"".join(usage.encode(samples[place]) for place in places))
            os.rename(new, self._path)
        except OSError:
            os.close(descriptor)
            os.unlink(new)
            raise
        os.close(self._descriptor)
        self._descriptor, self._count, self._spacing = descriptor, len(places), spacing
        self._last = samples[places[-1]].elapsed_s
        self._before = samples[places[-2]].elapsed_s if len(places) > 1 else 0.0


def _create(path: str) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    try:
        os.write(descriptor, usage.header())
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
