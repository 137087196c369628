"""What is to be said of a job's end beyond its exit code: an exit code of 0 can hide that something failed."""

from __future__ import annotations

from collections.abc import Sequence

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


def hidden_failure(stages: Sequence[int], exit_code: int | None) -> str | None:
    """Return the sentence that an earlier stage failed.

    Args:
        stages: exit codes of the stages of the pipeline that a shell ran last.
        exit_code: of the shell. If it is not that of the last stage, something else came after the pipeline.
    """
    if len(stages) < 2 or stages[-1] != exit_code:  # noqa: PLR2004  one stage hides nothing
        return None
    failed = next((code for code in stages[:-1] if is_failure(code, None)), None)
    if failed is None:
        return None
    return f"an earlier stage of its pipeline exited {failed} (exit codes of the stages: {', '.join(map(str, stages))})"


#: What is said where the shell cannot tell how the stages of a pipeline ended.
ONLY_LAST_STAGE = "exit code 0 is that of the pipeline's last stage: whether an earlier one failed is not known"


def out_of_memory(kills: int) -> str:
    """Return the sentence that the kernel killed processes beside a job's own, or of it, whoever they were."""
    some = "a process" if kills == 1 else f"{kills} processes"
    return f"while it ran, the kernel killed {some} in its cgroup for want of memory: of this job or beside it"


def sigkill(kills: int | None) -> str:
    """Return how a command ended that was killed, and not from here.

    Args:
        kills: how many processes of its cgroup the kernel killed meanwhile for want of memory, ``None`` if that is
            not known.
    """
    if kills is None:
        return "ended by SIGKILL, which nobody here sent: perhaps the kernel was out of memory"
    if kills:
        return "killed by the kernel for want of memory (SIGKILL, and its cgroup counts an oom_kill)"
    return "ended by SIGKILL, which nobody here sent, nor the kernel for want of memory: its cgroup counts no oom_kill"
