"""Lines for jobs that print: one process feeds all jobs, since their own shells would load the machine.

A hundred shells that sleep between two lines start two hundred processes a second, which is more than a server does.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Generator, Sequence

#: Opens pipes, before jobs do, which would wait for that. Writes lines to the pipes in turns until its stdin ends.
_FEEDER = """
import os, select, sys, time
pipes = [os.open(path, os.O_RDWR | os.O_NONBLOCK) for path in sys.argv[2:]]
print("open", flush=True)
number = 0
while not select.select([0], [], [], 1 / float(sys.argv[1]))[0]:
    os.write(pipes[number % len(pipes)], b"line %d at %f\\n" % (number, time.time()))
    number += 1
"""


@contextlib.contextmanager
def feeding(pipes: Sequence[str], lines_per_s: float) -> Generator[None]:
    """Make pipes, and write so many lines a second to them in turns meanwhile; a job reads one with ``cat``."""
    for pipe in pipes:
        os.mkfifo(pipe)
    command = [sys.executable, "-c", _FEEDER, str(lines_per_s), *pipes]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as feeder:
        assert feeder.stdin
        assert feeder.stdout
        assert feeder.stdout.readline() == b"open\n"
        try:
            yield
        finally:
            feeder.stdin.close()
