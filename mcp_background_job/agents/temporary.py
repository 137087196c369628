"""The private temporary directory of a run."""

from __future__ import annotations

import contextlib
import os
import shutil


def remove_tree(directory: str) -> None:
    """Remove a directory, even if programs left directories in it that are not writable (as Go does for modules)."""
    for folder, folders, _ in os.walk(directory):
        for name in folders:
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                with contextlib.suppress(OSError):
                    os.chmod(path, 0o700)
    shutil.rmtree(directory, ignore_errors=True)
