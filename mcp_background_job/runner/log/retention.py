"""Frees the oldest part of a log in place: offsets stay, and disk use is bounded at every moment.

There are two ways. Both leave every byte at its offset, and a hole in place of dropped bytes:

* holes are punched, if the file system can do that (ext4, XFS, Btrfs, tmpfs, ZFS, NFS from 4.2 on);
* otherwise the newest part is copied behind a hole in a new file, which replaces the old one by rename. During the copy
  the part exists twice, so only a third of the job's share is kept then, and at most two thirds otherwise.

In both ways ``kept_from`` is written first: see ``jobdir.log.format``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from mcp_background_job.jobdir.log.format import HEADER
from mcp_background_job.runner.log.index import Index, write_all_at
from mcp_background_job.runner.log.ledger import Ledger, Mark

#: Holes consist of whole blocks. No usual file system has smaller ones. The index's header is in the first.
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
        """Takes the open files, their names, the share, and the function that punches holes."""
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
        """Note bytes that were written and entered in the index."""
        if self._ledger.passed(Mark(end, self._index.end)):
            self._index.close_entry()  # a later drop ends with this entry

    def _try_punch(self) -> bool:
        """Try to punch a hole into blocks that the index does not have yet."""
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
        # This comes first, or a reader would take the hole for output.
        self._index.say_kept_from(mark.offset)
        self.kept_from = mark.offset
        self._ledger.drop(mark)

    def _punch_up_to(self, mark: Mark) -> None:
        # From the beginning each time: an existing hole costs nothing, and if blocks are larger than assumed here, the
        # next time frees the one at the edge.
        for descriptor, start, end in ((self._log, 0, mark.offset), (self._index.descriptor, _BLOCK, mark.entry)):
            whole = end - end % _BLOCK
            if whole > start:
                self._punch(descriptor, start, whole)

    def _copy_from(self, mark: Mark) -> None:
        """Replace both files by copies that begin with a hole.

        A reader may open one of them before it is replaced and the other afterwards. That does no harm: offsets are the
        same in old and new, and both have the same ``kept_from``.
        """
        log_path, index_path = self._paths
        _replace(self._log, log_path, head=0, start=mark.offset)
        _replace(self._index.descriptor, index_path, head=HEADER.size, start=mark.entry)

    def _begin_again(self, now: Mark) -> None:
        """Drop everything, in the open files: there is no other way to keep within the share."""
        self._index.close_entry()
        with contextlib.suppress(OSError):  # then the disk takes nothing, and later bytes are counted as lost
            self._give_up_what_is_before(now)
            files = ((self._log, 0, now.offset), (self._index.descriptor, HEADER.size, now.entry))
            for descriptor, rest, size in files:
                os.ftruncate(descriptor, rest)
                os.ftruncate(descriptor, size)


def _replace(descriptor: int, path: str, *, head: int, start: int) -> None:
    """Replace a file by a copy with its first ``head`` bytes, a hole, and its bytes from ``start`` on.

    Raises:
        OSError: the copy could not be made; the file is as before.
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
        with contextlib.suppress(OSError):  # it is gone with its directory
            os.unlink(new)
        raise
    finally:
        os.close(copy)
