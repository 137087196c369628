"""Support for a state directory on a read-only disk, as in a sandbox: jobs can still be seen and stopped."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Generator


@contextlib.contextmanager
def unless_read_only() -> Generator[None]:
    """Do writes that a read-only disk may refuse: the content is there already, or another process will write it."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
