"""Sentences on a job's end that its exit code does not give: an exit code of 0 can hide a failure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

#: Signals that ask a process to end, or say that nobody reads its output any more: such an end is not a failure.
_ASKED_TO_END = ("SIGTERM", "SIGINT", "SIGHUP", "SIGPIPE")

#: Exit codes of shells when such a signal (HUP, INT, PIPE, TERM) has ended the command.
_CODES_OF_THOSE = (129, 130, 141, 143)

#: A sentence names at most this many stages, if it is not known which of them failed.
_MAX_MEANT = 3

#: Pids of killed processes that a sentence names.
_PIDS = 5

#: Characters of a command that a sentence repeats.
_MAX_COMMAND = 60


def is_failure(exit_code: int | None, signal: str | None) -> bool:
    """Tell whether a process that nobody waited for failed."""
    if signal is not None:
        return signal not in _ASKED_TO_END
    return exit_code != 0 and exit_code not in _CODES_OF_THOSE


def is_background_failure(command: str, exit_code: int | None, signal: str | None) -> bool:
    """Tell whether a process in the background failed, by how it ended and by its command."""
    return is_failure(exit_code, signal) and not (command and exit_code is not None and _says_no(command, exit_code))


def how(exit_code: int | None, signal: str | None) -> str:
    """Return in words how a process ended."""
    return f"was ended by {signal}" if signal else f"exited {exit_code}"


def short(command: str) -> str:
    """Return a command, shortened for a sentence."""
    flat = " ".join(command.split())
    return flat if len(flat) <= _MAX_COMMAND else flat[: _MAX_COMMAND - 1] + "…"


def background(pid: int, command: str, exit_code: int | None, signal: str | None) -> str:
    """Return the sentence that a background process failed."""
    name = f" (`{short(command)}`)" if command else ""
    return f"background process {pid}{name} {how(exit_code, signal)}"


#: Programs whose exit code 1 says "none" or "they differ"; some do so only with a certain first argument.
_MEANS_NO = ("grep", "egrep", "fgrep", "zgrep", "rg", "ag", "diff", "cmp", "test", "[", "[[", "pgrep", "pidof", "which")
_MEANS_NO_WITH = (("git", "grep"), ("git", "diff"))

#: Words that may stand before the name of a program.
_PREFIXES = ("command", "builtin", "exec", "env", "nice", "nohup", "sudo")


def program(stage: str) -> tuple[str, str]:
    """Return the name of the program that a stage runs, and its first argument; ``""`` for a missing one."""
    words = stage.split()
    while words and (words[0] in _PREFIXES or (words[0].partition("=")[0].isidentifier() and "=" in words[0])):
        words.pop(0)
    first, second = [*words, "", ""][:2]
    return first.rpartition("/")[2], second


def hidden_failure(ended: Iterable[Sequence[int]], pipelines: Sequence[Sequence[str]]) -> str | None:
    """Return the sentence that an earlier stage of a pipeline failed; ``None`` if none did.

    Args:
        ended: exit codes of the stages, for each pipeline that the shell has reported.
        pipelines: the texts of the stages, for each pipeline that may be meant.
    """
    in_doubt = None
    for codes in ended:
        meant = [stages for stages in pipelines if len(stages) == len(codes)]
        for number, code in enumerate(codes[:-1]):
            names = list(dict.fromkeys(stages[number] for stages in meant))
            saying_no = [name for name in names if _says_no(name, code)]
            if not is_failure(code, None) or (names and len(saying_no) == len(names)):
                continue
            sentence = _of_stage(names, code, codes)
            if not saying_no:
                return sentence
            in_doubt = in_doubt or sentence
    return in_doubt


def _of_stage(names: Sequence[str], code: int, codes: Sequence[int]) -> str:
    who = f", {' or '.join(f'`{name}`' for name in names[:_MAX_MEANT])}," if names else ""
    told = ", ".join(map(str, codes))
    return f"an earlier stage of its pipeline{who} exited {code} (exit codes of the stages: {told})"


def _says_no(stage: str, code: int) -> bool:
    name, argument = program(stage)
    return code == 1 and (name in _MEANS_NO or (name, argument) in _MEANS_NO_WITH)


def not_known(stage: str) -> str:
    """Return the sentence that a stage of a pipeline may have failed, where the shell does not report it."""
    return f"the exit code of a pipeline is that of its last stage: whether `{stage}` failed is not known"


def out_of_memory(kills: int) -> str:
    """Return the sentence that the kernel killed processes in the job's cgroup, which may not be the job's own."""
    some = "a process" if kills == 1 else f"{kills} processes"
    return f"while it ran, the kernel killed {some} in its cgroup for want of memory: of this job or beside it"


def sigkill(kills: int | None) -> str:
    """Return how a command ended that was killed, but not by this program.

    Args:
        kills: how many processes of its cgroup the kernel killed meanwhile for want of memory; ``None`` if unknown.
    """
    if kills is None:
        return "ended by SIGKILL, which this program did not send: perhaps the kernel was out of memory"
    if kills:
        return "killed by the kernel for want of memory (SIGKILL, and its cgroup counts an oom_kill)"
    return "ended by SIGKILL, which this program did not send; memory was not the cause: its cgroup counts no oom_kill"


def forced(grace_s: float, signal: str, pids: Sequence[int]) -> str | None:
    """Return the sentence that a job outlived its grace period and was killed; ``None`` if it ended, or had none.

    Args:
        grace_s: its grace period, in seconds; 0 for none.
        signal: name of the polite signal.
        pids: pids of its processes that were sent SIGKILL.
    """
    if not pids or not grace_s or signal == "SIGKILL":  # nobody was asked
        return None
    some = f" to {', '.join(map(str, pids[:_PIDS]))}{' …' if len(pids) > _PIDS else ''}"
    return f"did not end within {grace_s:g} s of {signal} and was killed (SIGKILL{some})"
