"""Runs the user's command at the end of a job, MCP_BG_ON_END, in a process of its own.

The runner starts that process as its last act and does not wait for it: neither whoever waits for the job nor the next
in the queue has to wait for a webhook. It is bounded in time, in what it may write and in how many run at once, and
nothing that it does touches the job, which is over.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import sys
import time

from mcp_background_job.core.states import Outcome
from mcp_background_job.errors import BackgroundJobError
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.layout import (
    COOKIE_VARIABLE,
    EVENT_VARIABLE,
    JOB_ID_VARIABLE,
    RUN_ID_VARIABLE,
    JobDir,
)
from mcp_background_job.jobdir.records import Exit, Spec

#: A desktop notice takes milliseconds, and a webhook whose server is away gives up in less.
MAX_RUN_S = 30.0

#: So many run at once on one state directory; a hundred jobs that end together make no hundred webhooks at once.
MAX_AT_ONCE = 4

#: One that does not get its turn within this time (whole seconds) is not run: the news has become old.
MAX_WAIT_S = 300

#: Bytes of its output that are kept, and characters of a command that it is told.
MAX_OUTPUT = 64 * 1024
MAX_COMMAND = 4000

_READ_SIZE = 65536


def begin(job: JobDir) -> None:
    """Have the command run, if the job has ended; returns at once."""
    if not job.has_exit:
        return
    null = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    main = os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py")
    with contextlib.suppress(OSError):  # no room for a process: the job is over all the same
        os.posix_spawn(
            sys.executable, [sys.executable, "-I", "-S", main, "--on-end", job.path], {}, file_actions=null, setsid=True
        )


def run(job: JobDir) -> None:
    """Run the command of a job that has ended; what went wrong is left in the job's directory."""
    with contextlib.suppress(OSError):  # the directory is gone, or the disk is full
        trouble = _run(job)
        if trouble:
            records.write(job.on_end_trouble, f"{trouble}\n".encode(errors="backslashreplace"))


def _run(job: JobDir) -> str:
    try:
        spec, end = records.read(Spec, job.spec), records.read(Exit, job.exit)
    except BackgroundJobError as error:
        return str(error)
    if spec is None or end is None:
        return "the job's records are gone"
    turn = _turn(job)
    if turn is None:
        return f"not run: {MAX_AT_ONCE} others have run for {MAX_WAIT_S} s"
    return _carry_out(job, spec, environment(job, spec, end))


def environment(job: JobDir, spec: Spec, end: Exit) -> dict[str, str]:
    """Return the environment of the command: the job's, without what marks its processes, and the facts."""
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
    """Wait for a turn; returns the descriptor that keeps it, ``None`` if none came."""
    slot = int.from_bytes(job.job_id.encode(), "little") % MAX_AT_ONCE
    descriptor = os.open(job.state_dir.on_end_lock(slot), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def give_up(_number: int, _frame: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(MAX_WAIT_S)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except TimeoutError:
        return None
    finally:
        signal.alarm(0)
    return descriptor


def _carry_out(job: JobDir, spec: Spec, env: dict[str, str]) -> str:
    read, write = os.pipe()
    with contextlib.suppress(OSError):  # gone since; then it runs where we are
        os.chdir(spec.cwd)
    streams = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, write, 1),
        (os.POSIX_SPAWN_DUP2, write, 2),
    ]
    defaults = [signal.SIGPIPE, signal.SIGXFSZ, signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGALRM]
    try:
        pid = os.posix_spawn(
            "/bin/sh",
            ["/bin/sh", "-c", spec.on_end],
            env,
            file_actions=streams,
            setsid=True,
            setsigmask=[],
            setsigdef=defaults,
        )
    except (OSError, ValueError) as error:
        return f"could not be started: {error}"
    os.close(write)
    is_over = _keep_output(job, read)
    with contextlib.suppress(ProcessLookupError):  # it is over, and so is what it has started
        os.killpg(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if not is_over:
        return f"took longer than {MAX_RUN_S:g} s, and was ended"
    return f"exit code {code}" if code > 0 else f"ended by {signal.Signals(-code).name}" if code < 0 else ""


def _keep_output(job: JobDir, read: int) -> bool:
    """Write what comes into the log until all have closed their end; returns whether they did in time."""
    deadline, kept = time.monotonic() + MAX_RUN_S, 0
    log = os.open(job.on_end_log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        while select.select([read], [], [], max(0.0, deadline - time.monotonic()))[0]:
            piece = os.read(read, _READ_SIZE)
            if not piece:
                return True
            if time.monotonic() >= deadline:
                return False
            kept += os.write(log, piece[: MAX_OUTPUT - kept])
        return False
    finally:
        os.close(log)
