"""The job's processes, as their parent sees them: reaped here, and signalled all together.

The kernel tells whether the tree is empty. As a subreaper the runner inherits every orphan below it. So if it has no
children, no process of the job is left, wherever one may have hidden. Runners of other jobs, which it may have
inherited too, are not of the family: when this runner ends, they become children of init or of the next subreaper.
Without subreapers (macOS) the process group has to serve instead.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from typing import TypedDict

from mcp_background_job.core.aftermath import is_background_failure
from mcp_background_job.jobdir import runners
from mcp_background_job.jobdir.records import ChildExit, LeaderExit
from mcp_background_job.kernel import counters, tree
from mcp_background_job.kernel.hunt import carriers
from mcp_background_job.runner.family.climber import send_to_each
from mcp_background_job.runner.family.meant import meant

#: At most this many signalled processes are reported.
MAX_TOLD = 200

#: At most this many failed background processes are remembered: the first ones show the fault.
MAX_FAILURES = 10

#: The command lines of this many background processes are remembered, to name them after they have ended.
_MAX_REMEMBERED = 64

_SUBSHELL = "a subshell"

_SUDO = "sudo"

#: The text for a process without a command line.
_NAME_ALONE = re.compile(r"\[[^ ].*\]")

#: The kernel keeps this many bytes of a process's name: TASK_COMM_LEN in <linux/sched.h>, less a NUL.
_NAME_LENGTH = 15


class Family:
    """The command, which leads a group, and all processes that it started.

    Attributes:
        pid: pid of the command, which is also the number of its group.
        leader_exit: how the command itself ended, once it has.
        childless: no descendants are left but runners of other jobs and the processes below them; processes elsewhere
            with the job's cookie do not count.
        in_doubt: the processes that are left may become runners of other jobs any moment, and no event will report
            that.
        failures: the first of the background processes that failed, without those that were signalled from here.
    """

    def __init__(self, pid: int, argv: list[str], cookie: str, *, has_subreaper: bool) -> None:
        """Takes charge of a spawned command."""
        self.pid = pid
        self.leader_exit: LeaderExit | None = None
        self.childless = False
        self.in_doubt = False
        self.failures: list[ChildExit] = []
        self._commands: dict[int, str] = {}
        self._own_line = counters.line_of(argv)
        self._shell = os.path.basename(argv[0])[:_NAME_LENGTH]
        self._was_signalled = False
        self._cookie = cookie
        self._has_subreaper = has_subreaper

    def reap(self) -> None:
        """Collect the exit statuses of ended children."""
        while True:
            try:
                pid, status, process = _collect()
            except ChildProcessError:
                self.childless = self._has_subreaper or not self._group_lives()
                self.in_doubt = False
                break
            if pid == 0:
                self._look_for_others()
                break
            if pid == self.pid:
                self.leader_exit = LeaderExit(at=time.time(), **_how(status))
            else:
                self._note_end(pid, status, process)

    def _note_end(self, pid: int, status: int, process: tree.Process | None) -> None:
        name = process.name if process else ""
        command = self._commands.pop(pid, name)
        if command == _SUBSHELL and name != self._shell:
            command = name
        # A process with the name of a runner is one, and its use by another job is not this job's business.
        if self._was_signalled or len(self.failures) >= MAX_FAILURES or runners.is_name_of_ours(name):
            return
        how = _how(status)
        if is_background_failure(command, **how) and not (process and self._was_in_foreground(process, how)):
            self.failures.append(ChildExit(pid=pid, command=command, **how))

    def _was_in_foreground(self, process: tree.Process, how: _How) -> bool:
        """Tell whether a failed process was part of something in the foreground that has just ended."""
        if how["signal"] == "SIGKILL":
            # It was killed with its group, as by timeout -s KILL. A shell's background process leads a group, or is in
            # the job's.
            return process.group not in (process.pid, self.pid)
        # The process with which sudo watches the terminal exits with 1 however the command ended. sudo does not wait
        # for it.
        return process.name == _SUDO and process.session == process.pid and how["exit_code"] == 1

    def note_failures(self, failures: list[ChildExit]) -> None:
        """Note the failures of processes that the shell had reaped itself and reported."""
        if not self._was_signalled:
            self.failures = [*self.failures, *failures][:MAX_FAILURES]

    def _look_for_others(self) -> None:
        """Find out whether the living children are the runners of other jobs."""
        if self.leader_exit is None or not self._has_subreaper:
            return
        # While a runner lives, this process inherits nothing from below it. So only children need a look.
        children = tree.children(os.getpid())
        left = [process for process in children if process.is_alive and not process.is_runner]
        self._commands = {process.pid: self._name(process) for process in left[:_MAX_REMEMBERED]}
        # A child that has died since may have left its own children to this process, after the listing. Its SIGCHLD
        # causes another look.
        self.childless = not left and all(process.is_alive for process in children)
        self.in_doubt = bool(left) and all(process.may_become_runner for process in left)

    def _name(self, process: tree.Process) -> str:
        known = self._commands.get(process.pid, _SUBSHELL)
        line = counters.command_of(process) if known == _SUBSHELL else known
        # A process that the shell has forked, and that has not become another program (yet), shows the whole command,
        # or for a moment only a name.
        is_known = line != self._own_line and not _NAME_ALONE.fullmatch(line)
        return line if is_known else _SUBSHELL

    def living(self, *, quick: bool) -> list[tree.Process]:
        """Return the living processes of the job: all descendants of this process, and those elsewhere with its cookie.

        The scan for the latter takes milliseconds. It is left out if the answer may be ``quick`` and there are
        descendants.
        """
        mine = tree.descendants(os.getpid())
        if quick and mine and not self.childless:
            return mine
        return mine + carriers(self._cookie, known={process.pid for process in mine})

    def signal_all(self, targets: list[tree.Process], number: int) -> None:
        """Signal the group at one moment, and each of the others."""
        self._was_signalled = True
        self._signal_group(number)
        group_was_told = self.leader_exit is None and number != signal.SIGKILL
        send_to_each(
            [process for process in targets if not (group_was_told and _group_of(process.pid) == self.pid)],
            number,
        )
        if group_was_told:
            self._signal_group(signal.SIGCONT)

    def signal_foreground(self, number: int) -> bool:
        """Signal the command's group, unless the command is over; returns whether that was done."""
        if self.leader_exit is not None:
            return False
        self._signal_group(number)
        return True

    def signal_handlers(self, number: int) -> list[int]:
        """Send a signal to the processes that handle it, so it ends none; returns their pids."""
        targets = meant(self.living(quick=True), number)
        return [process.pid for process in targets if tree.send(process, number)][:MAX_TOLD]

    def _signal_group(self, number: int) -> None:
        # Only while the leader is not reaped: until then no other group can get its number. The kernel signals a group
        # at one moment, so a member that is forking leaves no child behind.
        if self.leader_exit is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def _group_lives(self) -> bool:
        # Without a subreaper, this finds processes left in the job's group. Its number is not reused while they live.
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


class _How(TypedDict):
    exit_code: int | None
    signal: str | None


def _how(status: int) -> _How:
    code = os.waitstatus_to_exitcode(status)
    return {"exit_code": None, "signal": _signal_name(-code)} if code < 0 else {"exit_code": code, "signal": None}


def _collect() -> tuple[int, int, tree.Process | None]:
    """Collect one exit status; returns pid (0 if there is none), status, and the process if it failed.

    Raises:
        ChildProcessError: there is no child.
    """
    if not hasattr(os, "waitid"):  # macOS
        return *os.waitpid(-1, os.WNOHANG), None
    # The look comes before the collection: until then the kernel knows the name.
    ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if ended is None:
        return 0, 0, None
    process = tree.look_up(ended.si_pid) if ended.si_status else None
    return *os.waitpid(ended.si_pid, 0), process


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # real-time signals have none
        return f"signal {number}"


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return -1
