"""``python -I -S …/again.py ATTEMPTS FIRST_S MOST ARGV…``: runs a command, and again when it fails; run by path.

For the job's runner it is the job's command, so a kill ends both it and its child, at any moment, and no server is
needed. It forwards no signals: they reach the command itself.

After each failed attempt it writes to its output how the attempt ended (exit code or signal) and how long it took. It
adds a line of JSON with the same and with the next attempt and its time to the file ATTEMPTS. The first repetition
begins FIRST_S seconds after a failure. After each further failure in a row, the pause doubles. After MOST repetitions
in a row it gives up, and ends as the last attempt did.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import resource
import signal
import sys
import time

#: The longest pause: a server's dependencies (a port, a database) come back within minutes.
LONGEST_S = 60.0

#: An attempt that has lived this long had started well: a later failure is not a repetition of the earlier one.
STEADY_S = 60.0

#: The sender of one of these wants an end, and a program that ends by it has not failed. Neither has one with the exit
#: code with which shells report such a signal.
_ASKS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_ENDED_AS_ASKED = {code for number in _ASKS for code in (-number, 128 + number)}

#: Programs often handle these and go on: a prompt drops its line at ctrl-c, a JVM prints its threads at ctrl-\. A
#: program that ends by them does so soon: most in milliseconds, slow ones in a few seconds.
_OFTEN_HANDLED = (signal.SIGINT, signal.SIGQUIT)
HEEDED_S = 10.0

_HEARD = (signal.SIGCHLD, signal.SIGALRM, *_ASKS)


def delay_s(failures: int, first_s: float) -> float:
    """Return the pause after this many failures in a row, in seconds."""
    return min(LONGEST_S, first_s * 2.0 ** min(failures - 1, 30))


def main(path: str, first_s: float, most: int, argv: list[str]) -> None:
    """Run the command until it ends well, is asked to end, or has failed too often; does not return."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's own handler
    signal.signal(signal.SIGCHLD, _take_notice)  # some systems drop signals without a handler
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    number, failures = 1, 0
    while True:
        began = time.monotonic()
        code, asked = _run(argv)
        lived_s = time.monotonic() - began
        if asked or code == 0 or code in _ENDED_AS_ASKED:
            _end(code)
        failures = failures + 1 if lived_s < STEADY_S else 1
        wait_s = delay_s(failures, first_s)
        _note(path, number, code, lived_s, wait_s=None if failures > most else wait_s)
        if failures > most:
            _end(code)
        if heard := _asked_within(wait_s):
            _end(-heard)  # the exit code of an earlier attempt would say nothing about this end
        number += 1
        with contextlib.suppress(OSError):  # a pipe or a terminal has no beginning to go back to
            os.lseek(0, 0, os.SEEK_SET)


def _take_notice(number: int, frame: object) -> None:
    """Do nothing: ``sigwait`` returns the signal."""


def _run(argv: list[str]) -> tuple[int, bool]:
    """Run the command once; returns how it ended, and whether that was asked for."""
    # Python ignores some signals, and its children would inherit that.
    pid = os.posix_spawn(argv[0], argv, os.environ, setsigmask=(), setsigdef=signal.valid_signals())
    counts_until = -math.inf
    while True:
        heard = signal.sigwait(_HEARD)
        if heard != signal.SIGCHLD:
            counts_until = max(counts_until, counts_for_s(heard) + time.monotonic())
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), time.monotonic() < counts_until


def counts_for_s(number: int) -> float:
    """Return for how many seconds after a signal an end counts as caused by it."""
    return HEEDED_S if number in _OFTEN_HANDLED else math.inf


def _asked_within(wait_s: float) -> int:
    """Return the signal by which somebody asks for an end within this time; 0 if nobody does."""
    signal.setitimer(signal.ITIMER_REAL, wait_s)
    while (heard := signal.sigwait(_HEARD)) == signal.SIGCHLD:
        pass
    return 0 if heard == signal.SIGALRM else heard


def _note(path: str, number: int, code: int, lived_s: float, *, wait_s: float | None) -> None:
    ended = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
    then = "it has failed too often" if wait_s is None else f"attempt {number + 1} begins in {wait_s:g} s"
    line = {
        "attempt": number if wait_s is None else number + 1,
        "failed": number,
        "ended": ended,
        "lived_s": round(lived_s, 3),
        "begins_at": None if wait_s is None else time.time() + wait_s,
    }
    with contextlib.suppress(OSError):  # a full disk; the output has it too
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        os.write(descriptor, json.dumps(line).encode() + b"\n")
        os.close(descriptor)
    with contextlib.suppress(OSError):  # a terminal that no process has open any more
        os.write(
            2, f"[mcp-background-job: attempt {number} ended with {ended} after {lived_s:.1f} s; {then}]\n".encode()
        )


def _end(code: int) -> None:
    """End as the command did."""
    if code >= 0:
        os._exit(code)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump of this program would be useless
    signal.signal(-code, signal.SIG_DFL)
    signal.raise_signal(-code)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
    os._exit(128 - code)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
