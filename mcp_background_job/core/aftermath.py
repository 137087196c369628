"""What is to be said of a job's end beyond its exit code: an exit code of 0 can hide that something failed."""

from __future__ import annotations

#: Signals that ask a process to end, or say that nobody reads it any more: what ends by them was not at fault.
_ASKED_TO_END = ("SIGTERM", "SIGINT", "SIGHUP", "SIGPIPE")

#: What shells exit with when such a signal (HUP, INT, PIPE, TERM) has ended what they ran.
_CODES_OF_THOSE = (129, 130, 141, 143)

#: Characters of a command that a sentence repeats.
_MAX_COMMAND = 60


def is_failure(exit_code: int | None, signal: str | None) -> bool:
    """Tell whether a process that nobody waited for failed."""
    if signal is not None:
        return signal not in _ASKED_TO_END
    return exit_code != 0 and exit_code not in _CODES_OF_THOSE


def how(exit_code: int | None, signal: str | None) -> str:
    """Return in words how a process ended."""
    return f"was ended by {signal}" if signal else f"exited {exit_code}"


def short(command: str) -> str:
    """Return a command as a sentence repeats it."""
    flat = " ".join(command.split())
    return flat if len(flat) <= _MAX_COMMAND else flat[: _MAX_COMMAND - 1] + "…"


def background(pid: int, command: str, exit_code: int | None, signal: str | None) -> str:
    """Return the sentence that a background process failed."""
    name = f" (`{short(command)}`)" if command else ""
    return f"background process {pid}{name} {how(exit_code, signal)}"
