"""The processes of a job that get a signal which is to end none of them.

A job is seldom one process: a shell waits for npm, which waits for the server. SIGHUP to all would end those that do
not handle it, and with the shell the job. So a signal goes only to the processes that have a handler for it.
"""

from __future__ import annotations

import os
import signal

from mcp_background_job.kernel import proc, tree

#: The kernel itself suspends or resumes a process by these, or does nothing.
_FOR_ALL = (
    signal.SIGSTOP,
    signal.SIGCONT,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGWINCH,
    signal.SIGURG,
    signal.SIGCHLD,
)

#: If bash has an EXIT trap, it handles all signals that end it, these among them: to run the trap and end. No other
#: program of these names handles them.
_BASH = ("bash", "sh")
_ASKED_FOR_IN_ORDER_TO_END = (signal.SIGILL, signal.SIGVTALRM, signal.SIGXCPU)

#: zsh always handles SIGHUP, and ends by it unless it has a trap, which is not visible from outside.
_ZSH = "zsh"


def meant(processes: list[tree.Process], number: int) -> list[tree.Process]:
    """Return the processes that are to get a signal; none if it would only end them."""
    if number in _FOR_ALL:
        return processes
    return [process for process in processes if _handles(process, number)]


def _handles(process: tree.Process, number: int) -> bool:
    try:
        status = proc.read(f"/proc/{process.pid}/status")
    except OSError:  # it is gone; or this system does not report handlers, and then all get it
        return not os.path.isdir("/proc/self")
    return handles(process.name, _caught(status), number)


def _caught(status: bytes) -> int:
    line = next((line for line in status.splitlines() if line.startswith(b"SigCgt:")), b"SigCgt: 0")
    return int(line.split()[1], 16)


def handles(name: str, caught: int, number: int) -> bool:
    """Tell whether a process goes on after a signal, by its name and the set of signals that it handles."""
    if not _is_in(caught, number):
        return False
    if name == _ZSH:
        return number != signal.SIGHUP
    return not (name in _BASH and all(_is_in(caught, other) for other in _ASKED_FOR_IN_ORDER_TO_END))


def _is_in(signals: int, number: int) -> bool:
    return bool(signals >> (number - 1) & 1)
