"""Which processes of a job are meant by a signal that is to stop nothing.

A job is seldom one process: a shell waits for npm, which waits for the server. SIGHUP for all of them would end those
that do nothing about it, and with the shell the job. So a signal goes to those that have asked the kernel for it.
"""

from __future__ import annotations

import os
import signal

from mcp_background_job.kernel import proc, tree

#: For whoever they are sent to the kernel itself suspends or resumes it, or does nothing.
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

#: bash asks for all signals that end it, these among them, when it has an EXIT trap: to run that, and end. Nobody else
#: of these names asks for them.
_BASH = ("bash", "sh")
_ASKED_FOR_IN_ORDER_TO_END = (signal.SIGILL, signal.SIGVTALRM, signal.SIGXCPU)

#: zsh always asks for SIGHUP, and ends by it unless it has a trap, which nobody sees from outside.
_ZSH = "zsh"


def meant(processes: list[tree.Process], number: int) -> list[tree.Process]:
    """Return those of the processes that are to have a signal; none if it would only end them."""
    if number in _FOR_ALL:
        return processes
    return [process for process in processes if _handles(process, number)]


def _handles(process: tree.Process, number: int) -> bool:
    try:
        status = proc.read(f"/proc/{process.pid}/status")
    except OSError:  # it is gone; or this system does not tell, and then all are meant
        return not os.path.isdir("/proc/self")
    return handles(process.name, _caught(status), number)


def _caught(status: bytes) -> int:
    line = next((line for line in status.splitlines() if line.startswith(b"SigCgt:")), b"SigCgt: 0")
    return int(line.split()[1], 16)


def handles(name: str, caught: int, number: int) -> bool:
    """Tell whether a process goes on after a signal, by its name and the set of signals that it has asked for."""
    if not _is_in(caught, number):
        return False
    if name == _ZSH:
        return number != signal.SIGHUP
    return not (name in _BASH and all(_is_in(caught, other) for other in _ASKED_FOR_IN_ORDER_TO_END))


def _is_in(signals: int, number: int) -> bool:
    return bool(signals >> (number - 1) & 1)
