"""Frees the oldest part of a log where it lies, so that offsets stay and disk use is bounded at every moment.

Two ways, both of which leave every byte at its offset, and a hole where bytes were dropped:

* holes are punched, where the file system can do that (ext4, XFS, Btrfs, tmpfs, ZFS, NFS from 4.2 on);
* elsewhere the newest part is copied behind a hole in a new file, which takes the place of the old one by rename. While
  it is copied there are two of it, so only a third of the job's share is kept then, and two thirds at most.

Either way ``kept_from`` is written first: see ``jobdir.log.format``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from mcp_background_job.jobdir.log.format import HEADER
from mcp_background_job.runner.log.index import Index, write_all_at
from mcp_background_job.runner.log.ledger import Ledger, Mark

#: Holes are made of whole blocks; no usual file system has smaller ones. The index's header stands in the first.
_BLOCK = 4096

#: Bytes copied at once.
_COPY = 64 * 1024

Punch = Callable[[int, int, int], None]


class Retention:
    """Keeps log and index within a job's share of disk.

    Attributes:
        kept_from: offset of the oldest byte that is kept.
    """

    def __init__(self, log: int, index: Index, paths: tuple[str, str], max_bytes: int, punch: Punch) -> None:
        """Takes the open files, their names, the share, and what punches holes."""
        self.kept_from = 0
        self._log = log
        self._index = index
        self._paths = paths
        self._punch = punch
        self._can_punch = self._try_punch()
        if self._can_punch:
            self._ledger = Ledger(max_bytes, max_bytes)
        else:
            self._ledger = Ledger(max_bytes * 2 // 3, max_bytes // 3)

    def room(self, end: int) -> int:
        """Return how many bytes may be written now, at most a step; 0 if no room can be made."""
        now = Mark(end, self._index.end)
        if self._ledger.room(now) < self._ledger.step:
            self._drop(now)
        return max(0, min(self._ledger.room(now), self._ledger.step))

    def written(self, end: int) -> None:
        """Take note of what was written and entered in the index."""
        if self._ledger.passed(Mark(end, self._index.end)):
            self._index.close_entry()  # what is dropped ends with it

    def _try_punch(self) -> bool:
        """Try it on blocks that the index does not have yet."""
        try:
            self._punch(self._index.descriptor, _BLOCK, 2 * _BLOCK)
        except OSError:
            return False
        return True

    def _drop(self, now: Mark) -> None:
        mark = self._ledger.oldest(now)
        if mark is None:
            return
        self._index.settle()
        try:
            self._give_up_what_is_before(mark)
            if self._can_punch:
                self._punch_up_to(mark)
            else:
                self._copy_from(mark)
        except OSError:  # no room for the copy, the directory is gone, a broken disk
            self._begin_again(now)

    def _give_up_what_is_before(self, mark: Mark) -> None:
        # First of all, or a reader would take the hole for output.
        self._index.say_kept_from(mark.offset)
        self.kept_from = mark.offset
        self._ledger.drop(mark)

    def _punch_up_to(self, mark: Mark) -> None:
        # From the beginning each time: what is a hole already costs nothing, and where blocks are larger than ours the
        # one at the edge is freed by the next time.
        for descriptor, start, end in ((self._log, 0, mark.offset), (self._index.descriptor, _BLOCK, mark.entry)):
            whole = end - end % _BLOCK
            if whole > start:
                self._punch(descriptor, start, whole)

    def _copy_from(self, mark: Mark) -> None:
        """Replace both files by copies that begin with a hole.

        A reader may open one of them before it is replaced and the other afterwards. That does no harm: offsets are the
        same in old and new, and both say the same ``kept_from``.
        """
        log_path, index_path = self._paths
        _replace(self._log, log_path, head=0, start=mark.offset)
        _replace(self._index.descriptor, index_path, head=HEADER.size, start=mark.entry)

    def _begin_again(self, now: Mark) -> None:
        """Drop all there is, in the files that are open: there is no other way to keep within the share."""
        self._index.close_entry()
        with contextlib.suppress(OSError):  # then the disk takes nothing, and what comes is counted as lost
            self._give_up_what_is_before(now)
            files = ((self._log, 0, now.offset), (self._index.descriptor, HEADER.size, now.entry))
            for descriptor, rest, size in files:
                os.ftruncate(descriptor, rest)
                os.ftruncate(descriptor, size)


def _replace(descriptor: int, path: str, *, head: int, start: int) -> None:
    """Put a copy of a file in its place that has its first ``head`` bytes, a hole, and what follows from ``start`` on.

    Raises:
        OSError: it could not be made; the file is as it was.
    """
    new = f"{path}.new"
    copy = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        write_all_at(copy, os.pread(descriptor, head, 0), 0)
        end = start
        while data := os.pread(descriptor, _COPY, end):
            write_all_at(copy, data, end)
            end += len(data)
        os.lseek(copy, end, os.SEEK_SET)
        os.rename(new, path)
        os.dup2(copy, descriptor, inheritable=False)
    except OSError:
        with contextlib.suppress(OSError):  # gone with its directory
            os.unlink(new)
        raise
    finally:
        os.close(copy)
