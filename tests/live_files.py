"""Files of directories in which a program is at work meanwhile: what a list names may be gone a moment later."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path


def copy_live(source: Path | str, target: Path | str) -> Path:
    """Copy a directory, without its sockets and without the files that go before their turn comes."""
    sockets = shutil.ignore_patterns("*.sock")
    return Path(shutil.copytree(source, target, ignore=sockets, copy_function=_copy_if_there))


def begun_parts(directory: Path) -> int:
    """Return how many unfinished files of a download hold bytes already."""
    return sum(stat.st_size > 0 for stat in _stats(directory.rglob(".*.part")))


def bytes_on_disk(directory: Path) -> int:
    """Return how many bytes the files of a directory take."""
    return sum(stat.st_blocks * 512 for stat in _stats(directory.iterdir()))


def _stats(paths: Iterable[Path]) -> Iterator[os.stat_result]:
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            yield path.stat()


def _copy_if_there(source: str, target: str) -> None:
    # A database's journal, or a file that is about to be renamed, is listed and gone at once.
    with contextlib.suppress(FileNotFoundError):
        shutil.copy2(source, target)
