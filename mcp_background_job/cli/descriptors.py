"""Makes up for standard streams that whoever started this process has closed.

Their numbers would go to the first files that are opened, a database say, and what is printed would be written there.
"""

from __future__ import annotations

import os
import select
import sys

_STANDARD = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))

#: The names of the streams that were closed when this process was started.
closed: set[str] = set()


def make_up_for_closed() -> None:
    """Open what is closed of stdin, stdout and stderr: nothing can be read there, and what is written is lost."""
    for number, (name, mode) in enumerate(_STANDARD):
        try:
            os.fstat(number)
        except OSError:
            closed.add(name)
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free, which is this one
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def is_stdout_read() -> bool:
    """Tell whether anybody may still read what is printed: a pipe's other end is open, say."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    gone = any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll(0))
    return not gone and "stdout" not in closed
