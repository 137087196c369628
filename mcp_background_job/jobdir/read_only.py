"""A state directory on a disk that takes no writes, as in a sandbox: jobs are seen there, and stopped, all the same."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Generator


@contextlib.contextmanager
def unless_read_only() -> Generator[None]:
    """Write what need not be written here and now: it is there already, or others will do it."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
