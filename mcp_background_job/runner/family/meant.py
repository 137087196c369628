"""Which processes of a job are meant by a signal that is to stop nothing.

A job is seldom one process: a shell waits for npm, which waits for the server. SIGHUP for all of them would end those
that do nothing about it, and with the shell the job. So a signal goes to those that have asked the kernel for it.
"""

from __future__ import annotations

import os
import signal

from mcp_background_job.kernel import proc, tree

#: For whoever they are sent to the kernel itself does what is wanted, or nothing.
_FOR_ALL = (
    signal.SIGSTOP,
    signal.SIGCONT,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGWINCH,
    signal.SIGURG,
)

#: Who sends these wants an end, if a polite one: they go to all where nobody handles them.
_FOR_AN_END = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


def meant(processes: list[tree.Process], number: int) -> list[tree.Process]:
    """Return those of the processes that are to have a signal; none if it would only end them."""
    if number in _FOR_ALL:
        return processes
    handling = [process for process in processes if _handles(process.pid, number)]
    return processes if not handling and number in _FOR_AN_END else handling


def _handles(pid: int, number: int) -> bool:
    try:
        status = proc.read(f"/proc/{pid}/status")
    except OSError:  # it is gone; or this system does not tell, and then all are meant
        return not os.path.isdir("/proc/self")
    caught = next((line for line in status.splitlines() if line.startswith(b"SigCgt:")), b"SigCgt: 0")
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)
