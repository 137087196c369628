"""Copies of directories in which a program is at work meanwhile."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path


def copy_live(source: Path | str, target: Path | str) -> Path:
    """Copy a directory, without its sockets and without the files that go before their turn comes."""
    sockets = shutil.ignore_patterns("*.sock")
    return Path(shutil.copytree(source, target, ignore=sockets, copy_function=_copy_if_there))


def _copy_if_there(source: str, target: str) -> None:
    # A database's journal, or a file that is about to be renamed, is listed and gone at once.
    with contextlib.suppress(FileNotFoundError):
        shutil.copy2(source, target)
