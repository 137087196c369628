"""Creates the job's process: with its own session, its own streams, and nothing else of this process.

It uses ``posix_spawn`` instead of fork and exec: no Python runs in the child, so nothing can fail there that cannot be
reported, and a runner's memory is not copied first.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import struct
import termios
from collections.abc import Sequence
from dataclasses import dataclass

from mcp_background_job.core.output.window import COLUMNS, ROWS
from mcp_background_job.errors import LaunchError
from mcp_background_job.jobdir.log.format import Stream
from mcp_background_job.jobdir.records import Spec
from mcp_background_job.runner.log.output import enlarge_pipe


@dataclass
class Child:
    """A spawned command: its pid, the near ends of its streams (all non-blocking), and its terminal, if it has one."""

    pid: int
    outputs: dict[int, Stream]
    stdin: int | None
    terminal: str | None = None

    @property
    def is_terminal(self) -> bool:
        return self.terminal is not None


def spawn(spec: Spec) -> Child:
    """Start the command of a job.

    Raises:
        LaunchError: the working directory or the shell cannot be used, or the system has no room for a process.
    """
    try:
        os.chdir(spec.cwd)
    except OSError as error:
        raise LaunchError(f"cannot use {spec.cwd} as the working directory: {error.strerror}") from error
    try:
        return _spawn_on_terminal(spec) if spec.stdin == "pty" else _spawn_on_pipes(spec)
    finally:
        os.chdir("/")  # a runner must keep no file system busy


def _spawn_on_pipes(spec: Spec) -> Child:
    theirs: list[int] = []
    ours: list[int] = []

    def pipe(*, read_is_ours: bool) -> tuple[int, int]:
        read, write = _pipe()
        ours.append(read if read_is_ours else write)
        theirs.append(write if read_is_ours else read)
        return ours[-1], theirs[-1]

    try:
        out, out_theirs = pipe(read_is_ours=True)
        err, err_theirs = pipe(read_is_ours=True)
        if spec.large_pipes:
            enlarge_pipe(out)
            enlarge_pipe(err)
        if spec.stdin == "pipe":
            stdin, stdin_theirs = pipe(read_is_ours=False)
            actions = [(os.POSIX_SPAWN_DUP2, stdin_theirs, 0)]
        else:
            stdin = None
            actions = [(os.POSIX_SPAWN_OPEN, 0, spec.stdin_file or "/dev/null", os.O_RDONLY, 0)]
        actions += [(os.POSIX_SPAWN_DUP2, out_theirs, 1), (os.POSIX_SPAWN_DUP2, err_theirs, 2)]
        pid = _posix_spawn(spec, actions)
    except BaseException:
        for descriptor in ours:
            os.close(descriptor)
        raise
    finally:
        for descriptor in theirs:
            os.close(descriptor)
    for descriptor in ours:
        os.set_blocking(descriptor, False)
    return Child(pid, {out: Stream.STDOUT, err: Stream.STDERR}, stdin)


def _spawn_on_terminal(spec: Spec) -> Child:
    try:
        master, slave = os.openpty()
    except OSError as error:
        raise LaunchError(f"cannot get a terminal for the job: {error.strerror}") from error
    terminal = os.ttyname(slave)
    try:
        with contextlib.suppress(OSError):  # a terminal without a size works too
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        # The child leads a new session when it opens the terminal, which then becomes its controlling terminal.
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, terminal, os.O_RDWR, 0),
            (os.POSIX_SPAWN_DUP2, 0, 1),
            (os.POSIX_SPAWN_DUP2, 0, 2),
        ]
        pid = _posix_spawn(spec, actions)
    except BaseException:
        os.close(master)
        raise
    finally:
        os.close(slave)
    os.set_blocking(master, False)
    return Child(pid, {master: Stream.STDOUT}, os.dup(master), terminal)


def _pipe() -> tuple[int, int]:
    try:
        return os.pipe()
    except OSError as error:
        raise LaunchError(f"cannot make a pipe for the job: {error.strerror}") from error


def _posix_spawn(spec: Spec, actions: Sequence[tuple[object, ...]]) -> int:
    try:
        return os.posix_spawn(
            spec.argv[0],
            spec.argv,
            spec.env,
            file_actions=actions,
            setsid=True,
            setsigmask=[],
            # Signals that this process ignores would stay ignored in the job. A runner ignores some itself: a writer
            # into a closed pipe would never end. A shell makes its background programs ignore others (SIGINT, SIGQUIT),
            # and ctrl-c would do nothing. A job must begin as a command at a terminal does.
            setsigdef=signal.valid_signals(),
        )
    except OSError as error:
        why = _too_much(spec) if error.errno == errno.E2BIG else error.strerror
        raise LaunchError(f"cannot execute {spec.argv[0]}: {why}") from error
    except ValueError as error:  # a NUL in an argument or in the environment
        raise LaunchError(f"cannot execute {spec.argv[0]}: {error}") from error


def _too_much(spec: Spec) -> str:
    """Say what takes up the kernel's room for arguments and environment together, ARG_MAX in execve(2)."""
    sizes = {name: len(os.fsencode(f"{name}={value}")) for name, value in spec.env.items()}
    largest = max(sizes, key=lambda name: sizes[name])
    total = sum(sizes.values()) + sum(len(os.fsencode(argument)) for argument in spec.argv)
    limit, limit_of_one = os.sysconf("SC_ARG_MAX"), 32 * os.sysconf("SC_PAGE_SIZE")
    return (
        f"command and environment have {total:,} bytes, {largest} alone {sizes[largest]:,}, and the kernel takes "
        f"{limit:,} in all and {limit_of_one:,} in one variable: pass less by env, and large data in files"
    )
