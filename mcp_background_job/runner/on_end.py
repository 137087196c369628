"""Runs the user's command at the end of a job, MCP_BG_ON_END, in a process of its own.

The process that ends the job starts this one (``jobdir.at_end``), a runner as its last act, and does not wait for it:
clients that wait for the job, and the next job in the queue, must not wait for a webhook. A runner on a node waits,
since its engine ends all that it leaves. The command is bounded in time, in output and in how many run at once. It
cannot affect the job, which is over.

It runs once: the process that makes the log of its output runs it. Two may try, since a server may have taken a job on
a node for lost before its runner reports its end.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import time
from collections.abc import Generator

from mcp_background_job.core.states import Outcome
from mcp_background_job.errors import BackgroundJobError
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.at_end import MAX_AT_ONCE, MAX_RUN_S
from mcp_background_job.jobdir.layout import (
    COOKIE_VARIABLE,
    EVENT_VARIABLE,
    JOB_ID_VARIABLE,
    RUN_ID_VARIABLE,
    JobDir,
)
from mcp_background_job.jobdir.records import Exit, Spec
from mcp_background_job.runner.system import become_subreaper

#: A command that gets no turn within this time (whole seconds) does not run: the news is old.
MAX_WAIT_S = 300

#: Bytes of its output that are kept, and characters of a job's command that it gets.
MAX_OUTPUT = 64 * 1024
MAX_COMMAND = 4000

_READ_SIZE = 65536

#: This descriptor shows whether any process of the command lives: it is closed when the last one ends. Output does not
#: show that, since ``curl ... >/dev/null 2>&1 &`` closes it at once. Scripts do not use such a high number.
_LIFE = 97

#: A timer of 0 s would be none.
_SHORTEST_S = 0.001


def run(job: JobDir) -> None:
    """Run the command of a job that has ended; a failure is recorded in the job's directory."""
    become_subreaper()
    with contextlib.suppress(OSError):  # the directory is gone, or the disk is full
        trouble = _run(job)
        if trouble:
            _end_the_rest()
            records.write(job.on_end_trouble, f"{trouble}\n".encode(errors="backslashreplace"))


def _run(job: JobDir) -> str:
    try:
        spec, end = records.read(Spec, job.spec), records.read(Exit, job.exit)
    except BackgroundJobError as error:
        return str(error)
    if spec is None or end is None:
        return "the job's records are gone"
    log = _log(job) if spec.on_end else None
    if log is None:
        return ""
    try:
        if _turn(job) is None:
            return f"not run: {MAX_AT_ONCE} others have run for {MAX_WAIT_S} s"
        return _carry_out(spec, environment(job, spec, end), log)
    finally:
        os.close(log)


def environment(job: JobDir, spec: Spec, end: Exit) -> dict[str, str]:
    """Return the environment of the command: the job's, without the mark of its processes, and with the facts."""
    inherited = {name: value for name, value in spec.env.items() if name != COOKIE_VARIABLE}
    run_id = spec.env.get(RUN_ID_VARIABLE, "")
    facts = {
        EVENT_VARIABLE: "run_ended" if run_id else "job_ended",
        JOB_ID_VARIABLE: job.job_id,
        "MCP_BG_JOB_NAME": spec.name or "",
        "MCP_BG_STATUS": Outcome(end.outcome).value,
        "MCP_BG_EXIT_CODE": "" if end.exit_code is None else str(end.exit_code),
        "MCP_BG_SIGNAL": end.signal or "",
        "MCP_BG_REASON": end.reason,
        "MCP_BG_DURATION_S": "" if end.duration_s is None else f"{end.duration_s:.3f}",
        "MCP_BG_LOG": job.log,
        "MCP_BG_COMMAND": spec.command[:MAX_COMMAND],
        "MCP_BG_CWD": spec.cwd,
        "MCP_BG_JOB_PROJECT": spec.project or "",
    }
    facts |= {RUN_ID_VARIABLE: run_id} if run_id else {}
    return inherited | {name: value.replace("\0", "") for name, value in facts.items()}


def _turn(job: JobDir) -> int | None:
    """Wait for a turn; returns the descriptor that keeps it, ``None`` if none came in time."""
    # All ids begin with the same letter, and the places must fill evenly: so all characters of an id count.
    own = sum(job.job_id.encode()) % MAX_AT_ONCE
    for slot in ((own + step) % MAX_AT_ONCE for step in range(MAX_AT_ONCE)):
        free = _opened(job, slot)
        try:
            fcntl.flock(free, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(free)
        except OSError:  # this file system, which nodes share, has no locks: there are no turns
            return free
        else:
            return free
    descriptor = _opened(job, own)
    try:
        with _limit(MAX_WAIT_S):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    except TimeoutError:
        return None
    return descriptor


def _opened(job: JobDir, slot: int) -> int:
    return os.open(job.state_dir.on_end_lock(slot), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


@contextlib.contextmanager
def _limit(seconds: float) -> Generator[None]:
    """Make a call that waits raise ``TimeoutError`` when the time is over."""

    def give_up(_number: int, _frame: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, _SHORTEST_S))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _carry_out(spec: Spec, env: dict[str, str], log: int) -> str:
    deadline = time.monotonic() + MAX_RUN_S
    output, write = os.pipe()
    life, keep_open = os.pipe()
    with contextlib.suppress(OSError):  # the directory is gone; then it runs in the present one
        os.chdir(spec.cwd)
    streams = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, write, 1),
        (os.POSIX_SPAWN_DUP2, write, 2),
        (os.POSIX_SPAWN_DUP2, keep_open, _LIFE),
    ]
    try:
        pid = os.posix_spawn(
            "/bin/sh",
            ["/bin/sh", "-c", spec.on_end],
            env,
            file_actions=streams,
            setsid=True,
            setsigmask=[],
            # The shell that started this process in the background made it ignore SIGINT and SIGQUIT.
            setsigdef=signal.valid_signals(),
        )
    except (OSError, ValueError) as error:
        return f"could not be started: {error}"
    for descriptor in (write, keep_open):
        os.close(descriptor)
    is_over = _keep_output(log, output, life, deadline)
    with contextlib.suppress(TimeoutError):
        if is_over:
            with _limit(deadline - time.monotonic()):  # a program such as sudo closes the descriptors that it inherits
                return _told(os.waitpid(pid, 0)[1])
    with contextlib.suppress(ProcessLookupError, ChildProcessError):  # the time was over just as it ended
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return f"took longer than {MAX_RUN_S:g} s, and was ended"


def _told(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"exit code {code}" if code > 0 else f"ended by {signal.Signals(-code).name}" if code < 0 else ""


def _keep_output(log: int, output: int, life: int, deadline: float) -> bool:
    """Write output into the log until both descriptors are closed; returns whether that happened in time."""
    kept, still_open = 0, {output, life}
    while ready := select.select(still_open, [], [], max(0.0, deadline - time.monotonic()))[0]:
        for descriptor in ready:
            piece = os.read(descriptor, _READ_SIZE)
            if not piece:
                still_open.discard(descriptor)
            if descriptor == output:
                with contextlib.suppress(OSError):  # the disk is full; the command goes on
                    kept += os.write(log, piece[: MAX_OUTPUT - kept])
        if not still_open:
            return True
        if time.monotonic() >= deadline:
            return False
    return False


def _log(job: JobDir) -> int | None:
    """Make the log, or open /dev/null in its place: the news matters most when the disk is full.

    ``None`` if another process has made it, which runs or has run the command.
    """
    try:
        return os.open(job.on_end_log, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return None
    except OSError:
        return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)


def _end_the_rest() -> None:
    """Kill the processes that have left the command's process group: this process has inherited them."""
    with contextlib.suppress(ChildProcessError, FileNotFoundError):  # none is left; or this is not Linux
        while True:
            # They are not reaped, so their pids are still theirs. Their own children come to this process next.
            with open(f"/proc/self/task/{os.getpid()}/children", "rb") as file:
                for pid in file.read().split():
                    os.kill(int(pid), signal.SIGKILL)
            os.waitpid(-1, 0)
