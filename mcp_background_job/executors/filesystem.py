"""Finds the kind of file system that a directory lies on.

On some kinds, the writes of another machine show late, and locks do not reach it.
"""

from __future__ import annotations

import os

#: Kinds that several machines may share, by the kernel's names; some have more after a dot: ``fuse.sshfs``.
_SHARED = frozenset(
    "nfs nfs4 lustre gpfs beegfs ceph glusterfs fuse 9p afs cifs smb3 ocfs2 gfs2 pvfs2 wekafs".split()  # noqa: SIM905
)

_MOUNTS = "/proc/self/mountinfo"


def kind_of(path: str, mounts: str = _MOUNTS) -> str:
    """Return the kernel's name for the kind of file system that a path lies on, empty if it is unknown."""
    try:
        with open(mounts, encoding="utf-8", errors="replace") as file:
            known = [_mount(line) for line in file]
    except OSError:
        return ""
    real = os.path.realpath(path)
    # If two mounts are at one place, the later hides the earlier.
    above = ((len(at), number, kind) for number, (at, kind) in enumerate(known) if _is_below(real, at))
    return max(above, default=(0, 0, ""))[2]


def is_shared(kind: str) -> bool:
    """Tell whether machines share file systems of a kind."""
    return kind.partition(".")[0] in _SHARED


def _mount(line: str) -> tuple[str, str]:
    before, _, behind = line.partition(" - ")
    at = before.split()[4].encode().decode("unicode_escape")  # a blank stands there as \040
    return at, behind.split()[0]


def _is_below(path: str, at: str) -> bool:
    return path == at or path.startswith(at.rstrip("/") + "/")
