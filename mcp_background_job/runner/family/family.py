"""The job's processes, as their parent sees them: reaped here, and signalled all together.

That the tree is empty is the kernel's word: as a subreaper the runner inherits every orphan below it, so when it has no
children no process of the job is left, wherever it may have hidden. Runners of other jobs, which it may have inherited
too, are not of the family; when it ends they become children of init, or of the next subreaper. Without subreapers
(macOS) the process group has to serve instead.
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

#: So many signalled processes are told of.
MAX_TOLD = 200

#: So many background processes that failed are remembered: the first tell what is wrong.
MAX_FAILURES = 10

#: Of so many background processes the command lines are remembered, to name them when they have none any more.
_MAX_REMEMBERED = 64

_SUBSHELL = "a subshell"

_SUDO = "sudo"

#: What is shown of a process that has no command line.
_NAME_ALONE = re.compile(r"\[[^ ].*\]")

#: The kernel keeps so many bytes of a process's name: TASK_COMM_LEN in <linux/sched.h>, less a NUL.
_NAME_LENGTH = 15


class Family:
    """The command, which leads a group, and all that it started.

    Attributes:
        pid: of the command, and so the number of its group.
        leader_exit: how the command itself ended, once it has.
        childless: there is no descendant any more but runners of other jobs and what is below them; what carries the
            job's cookie elsewhere does not count.
        in_doubt: what is left may become the runner of another job any moment, and nothing will tell when it has.
        failures: background processes that failed, the first of them; not those that were signalled from here.
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
        """Collect the exit statuses of those that have ended."""
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
        # What has the name of a runner is one, and what another job does with it is not ours to tell.
        if self._was_signalled or len(self.failures) >= MAX_FAILURES or runners.is_name_of_ours(name):
            return
        how = _how(status)
        if is_background_failure(command, **how) and not (process and self._was_in_foreground(process, how)):
            self.failures.append(ChildExit(pid=pid, command=command, **how))

    def _was_in_foreground(self, process: tree.Process, how: _How) -> bool:
        """Tell of a process that failed whether it was part of something in the foreground that has just ended."""
        if how["signal"] == "SIGKILL":
            # With its group, as by timeout -s KILL. What a shell puts in the background leads one, or is in the job's.
            return process.group not in (process.pid, self.pid)
        # What sudo has watch the terminal exits with 1 however the command ended, and sudo does not wait for it.
        return process.name == _SUDO and process.session == process.pid and how["exit_code"] == 1

    def note_failures(self, failures: list[ChildExit]) -> None:
        """Note those that the shell has told of, which it had reaped itself."""
        if not self._was_signalled:
            self.failures = [*self.failures, *failures][:MAX_FAILURES]

    def _look_for_others(self) -> None:
        """Find out whether the children that live are those of other jobs."""
        if self.leader_exit is None or not self._has_subreaper:
            return
        # What is below a runner is never ours to inherit while it lives, so children are all that need be looked at.
        children = tree.children(os.getpid())
        left = [process for process in children if process.is_alive and not process.is_runner]
        self._commands = {process.pid: self._name(process) for process in left[:_MAX_REMEMBERED]}
        # One that has died since may have left us its own children, after they could be listed. Its SIGCHLD has us look
        # again.
        self.childless = not left and all(process.is_alive for process in children)
        self.in_doubt = bool(left) and all(process.may_become_runner for process in left)

    def _name(self, process: tree.Process) -> str:
        known = self._commands.get(process.pid, _SUBSHELL)
        line = counters.command_of(process) if known == _SUBSHELL else known
        # What the shell has forked, and is or has not yet become a program of its own, shows the whole command, or for
        # a moment nothing but a name.
        is_known = line != self._own_line and not _NAME_ALONE.fullmatch(line)
        return line if is_known else _SUBSHELL

    def living(self, *, quick: bool) -> list[tree.Process]:
        """The living processes of the job: all that descend from us, and those elsewhere that carry its cookie.

        The scan for the latter takes milliseconds; it is left out where the answer may be ``quick`` and some of the
        former are there.
        """
        mine = tree.descendants(os.getpid())
        if quick and mine and not self.childless:
            return mine
        return mine + carriers(self._cookie, known={process.pid for process in mine})

    def signal_all(self, targets: list[tree.Process], number: int) -> None:
        """Signal the group at once, and each of the others."""
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
        """Signal the processes that are meant by a signal that is to stop nothing; returns their pids."""
        targets = meant(self.living(quick=True), number)
        return [process.pid for process in targets if tree.send(process, number)][:MAX_TOLD]

    def _signal_group(self, number: int) -> None:
        # Only while the leader is not reaped: until then nobody else can get its number. The kernel signals a group
        # at once, so that a member that is forking right now cannot leave a child behind.
        if self.leader_exit is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def _group_lives(self) -> bool:
        # Without a subreaper: processes left behind in the job's group. Its number is not given away while they live.
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
    """Collect one exit status that is there; returns pid, 0 if there is none, status, and the process if it failed.

    Raises:
        ChildProcessError: there is no child.
    """
    if not hasattr(os, "waitid"):  # macOS
        return *os.waitpid(-1, os.WNOHANG), None
    # Looked at before it is collected: until then the kernel knows its name.
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
