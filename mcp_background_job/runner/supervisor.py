"""The life of one job, from spawn to exit record.

The supervisor waits on descriptors and one deadline, and does one small thing for each that is due:

    output readable      move it to the log, tell watchers
    a client             answer its requests
    SIGCHLD              reap; when there is no child left the tree is empty, which is the end of the job
    SIGTERM to us        stop the job as if asked to
    deadline             the time limit, or the next rung of the stop ladder

That the tree is empty is the kernel's word: as a subreaper the runner inherits every orphan below it, so ``waitpid``
says "no children" only when no process of the job is left, wherever it may have hidden. Without subreapers (macOS) the
process group has to serve instead.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import os
import resource
import select
import signal
import time
from collections.abc import Callable
from typing import Any

from mcp_background_job.core.ladder import Step
from mcp_background_job.core.states import Outcome, State, outcome_of
from mcp_background_job.errors import LaunchError
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.boot import boot_id
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import Exit, LeaderExit, Spec, Status, StopRequest
from mcp_background_job.runner import control, signals, tree
from mcp_background_job.runner.climber import Climber, send_to_each
from mcp_background_job.runner.exit_record import MAX_REASON, ExitRecord
from mcp_background_job.runner.output import BUSY_READS, PIPE_SIZE, Log, enlarge_pipe
from mcp_background_job.runner.spawn import Child, spawn
from mcp_background_job.runner.stdin import Stdin

#: Time between the polite signal and SIGKILL when the runner itself stops the job.
OWN_GRACE_S = 5.0

#: While it is being stopped, how often to look for processes of the job that are not our descendants: their end is
#: not reported to us.
STRAY_CHECK_S = 0.1

#: poll(2) takes its time in milliseconds as a 32-bit number; the loop asks again anyhow.
LONGEST_POLL_S = 86_400.0

#: Moves between two looks at everything else, so that a job that floods its output can still be stopped.
MOVES_PER_TURN = 16


#: Moves after the last process died, more than the fullest pipe needs: a stranger may hold the pipe and go on writing.
MOVES_TO_DRAIN = 1024


class Supervisor:
    """Runs one job. ``start`` it, then ``run`` it to its end."""

    def __init__(self, job: JobDir, spec: Spec, *, has_subreaper: bool) -> None:
        """Prepares; touches nothing."""
        self._job = job
        self._spec = spec
        self._has_subreaper = has_subreaper
        self._exit_record: ExitRecord | None = None
        self._poll = select.poll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._connections: list[control.Connection] = []
        self._stoppers: list[control.Connection] = []
        self._full_reads: dict[int, int] = {}
        self._leader_exit: LeaderExit | None = None
        self._childless = False
        self._climber: Climber | None = None
        self._stop: StopRequest | None = None
        self._stop_outcome: Outcome | None = None
        self._stopped_as: Outcome | None = None  # set when a signal was sent: what ends before ended by itself
        self._survivors: list[int] = []

    # -- start -----------------------------------------------------------------------------------------------------

    def start(self) -> int:
        """Spawn the command and publish that it runs; returns its pid.

        Raises:
            LaunchError: it could not be started; nothing of it is left but its directory.
        """
        try:
            self._exit_record = ExitRecord(self._job)
            # From here on the job is never mistaken for one that waits to be started, whenever this process dies.
            records.write(self._job.status, records.encode(self._status(State.STARTING)))
            self._log = Log(self._job, self._spec.max_output)
            self._listener = control.listen(self._job.path, os.path.basename(self._job.control))
        except OSError as error:
            raise LaunchError(f"cannot prepare {self._job.path}: {error.strerror}") from error
        self._wake_up = self._catch_signals()
        self._started_at = time.time()
        self._started = time.monotonic()
        self._child: Child = spawn(self._spec)
        self._stdin = Stdin(self._child.stdin, is_terminal=self._child.is_terminal)
        limit = self._spec.timeout_s
        self._limit = self._started + limit if limit is not None else None
        self._watch(self._wake_up, self._on_signal)
        self._watch(self._listener.fileno(), self._on_client)
        for descriptor in self._child.outputs:
            self._watch(descriptor, lambda descriptor=descriptor: self._on_output(descriptor))
        self._publish()  # before anybody is told: who then looks finds the pid
        return self._child.pid

    def give_up(self, reason: str) -> None:
        """Record that the job could not be started; or else forget it: nobody shall start it later."""
        record = Exit(outcome=Outcome.FAILED.value, ended_at=time.time(), reason=reason[:MAX_REASON])
        if self._exit_record is not None and self._exit_record.publish(record):
            self._exit_record.make_durable()
        else:
            with contextlib.suppress(OSError):
                os.unlink(self._job.spec)
        self._close_mark()

    def _close_mark(self) -> None:
        with contextlib.suppress(OSError):  # it is gone, or all is
            os.unlink(self._job.state_dir.open_mark(self._job.job_id))

    def _catch_signals(self) -> int:
        read, write = os.pipe()
        os.set_blocking(read, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, signals.take_notice)
        return read

    # -- the loop --------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Supervise until no process of the job is left, then publish how it ended."""
        while True:
            due = self._limit if self._climber is None else self._climb()
            if self._childless and self._climber is None:
                break
            timeout = None if due is None else min(max(0.0, due - time.monotonic()), LONGEST_POLL_S) * 1000
            for descriptor, _ in self._poll.poll(timeout):
                handler = self._handlers.get(descriptor)
                if handler:  # an earlier handler of this turn may have closed it
                    handler()
            if self._limit is not None and time.monotonic() >= self._limit:
                self._time_out()
        self._finish()

    def _watch(self, descriptor: int, handler: Callable[[], None], events: int = select.POLLIN) -> None:
        self._handlers[descriptor] = handler
        self._poll.register(descriptor, events)

    def _unwatch(self, descriptor: int) -> None:
        if self._handlers.pop(descriptor, None):
            self._poll.unregister(descriptor)

    # -- output ----------------------------------------------------------------------------------------------------

    def _on_output(self, descriptor: int) -> None:
        for _ in range(MOVES_PER_TURN):
            count = self._move(descriptor)
            if count is None:
                break
            if count == 0:
                self._end_output(descriptor)
                break
        self._tell_watchers()

    def _move(self, descriptor: int) -> int | None:
        """Move what is there; ``None`` when there is nothing now, 0 at the end."""
        try:
            count = self._log.move(descriptor, self._child.outputs[descriptor])
        except BlockingIOError:
            return None
        except OSError:  # EIO: nobody has the terminal open any more
            return 0
        if count >= PIPE_SIZE // 2 and not self._child.is_terminal:
            reads = self._full_reads[descriptor] = self._full_reads.get(descriptor, 0) + 1
            if reads == BUSY_READS:
                enlarge_pipe(descriptor)
        return count

    def _end_output(self, descriptor: int) -> None:
        self._unwatch(descriptor)
        del self._child.outputs[descriptor]
        os.close(descriptor)

    def _drain(self) -> None:
        """Take what the dead have left in the pipes; the end of a pipe may be held open by a stranger."""
        for descriptor in list(self._child.outputs):
            for _ in range(MOVES_TO_DRAIN):
                if not self._move(descriptor):
                    break

    # -- clients ---------------------------------------------------------------------------------------------------

    def _on_client(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:  # it has gone again, or we are out of descriptors: it will try again
            return
        connection = control.Connection(sock)
        self._connections.append(connection)
        self._watch(connection.fileno(), lambda: self._on_request(connection))

    def _on_request(self, connection: control.Connection) -> None:
        requests = connection.read()
        if requests is None:
            self._hang_up(connection)
            return
        for request in requests:
            try:
                answer = self._answer(connection, request)
            except (KeyError, ValueError, TypeError) as error:
                answer = {"error": f"bad request: {error!r}"}
            if answer is not None and not connection.send(**answer):
                self._hang_up(connection)
                return

    def _answer(self, connection: control.Connection, request: dict[str, Any]) -> dict[str, object] | None:
        match request["op"]:
            case "watch":
                connection.watching = int(request["size"])
                connection.knows_leader_exit = bool(request["leader_exited"])
                self._tell_watchers()
                return None
            case "stop":
                self._stoppers.append(connection)
                self._request_stop(_stop_request(request), Outcome.KILLED)
                return {"stopping": True}
            case "signal":
                return {"ok": self._signal_leader(int(request["number"]))}
            case "input":
                return self._take_input(base64.b64decode(request["data"]), eof=bool(request["eof"]))
            case op:
                return {"error": f"unknown request {op!r}: this runner is of another release"}

    def _hang_up(self, connection: control.Connection) -> None:
        if connection not in self._connections:
            return
        self._unwatch(connection.fileno())
        self._connections.remove(connection)
        if connection in self._stoppers:
            self._stoppers.remove(connection)
        connection.close()

    def _tell_watchers(self) -> None:
        for connection in list(self._connections):
            if connection.watching is None:
                continue
            leader_exited = self._leader_exit is not None
            if self._log.end > connection.watching or leader_exited != connection.knows_leader_exit:
                connection.watching = None
                if not connection.send(size=self._log.end, leader_exited=leader_exited):
                    self._hang_up(connection)

    def _take_input(self, data: bytes, *, eof: bool) -> dict[str, object]:
        answer = self._stdin.take(data, eof=eof)
        self._watch_stdin()
        return answer

    def _watch_stdin(self) -> None:
        descriptor = self._stdin.descriptor
        if self._stdin.unread and descriptor is not None:
            self._watch(descriptor, self._on_stdin_ready, select.POLLOUT)

    def _on_stdin_ready(self) -> None:
        if self._stdin.descriptor is not None:
            self._unwatch(self._stdin.descriptor)
        self._stdin.write()
        self._watch_stdin()

    # -- stopping --------------------------------------------------------------------------------------------------

    def _request_stop(self, request: StopRequest, stopped_as: Outcome) -> None:
        """Begin to stop, or, if that is under way, stop sooner or with SIGKILL if the new request says so."""
        number = getattr(signal, request.signal)
        if self._climber is None:
            self._stop, self._stop_outcome = request, stopped_as
            self._climber = Climber(number, request.grace_s, self._signal_all)
        else:
            self._climber.hurry(number, request.grace_s)
        self._limit = None
        self._publish()

    def _time_out(self) -> None:
        why = f"time limit of {self._spec.timeout_s:g} s reached"
        self._request_stop(
            StopRequest(at=time.time(), by="runner", why=why, signal="SIGTERM", grace_s=OWN_GRACE_S), Outcome.TIMED_OUT
        )

    def _climb(self) -> float | None:
        """Carry out what the ladder says is due; returns when to ask it again, ``None`` when it is at its top."""
        climber = self._climber
        if climber is None:
            return None
        targets = self._targets(climber)
        step, due = climber.climb(targets, alive=bool(targets) or not self._childless)
        if step is Step.REPORT_SURVIVORS:
            self._report_survivors([process.pid for process in targets])
        if step is Step.DONE:
            self._climber = None
            return None
        if climber.has_signalled:
            self._stopped_as = self._stop_outcome
        return min(due or 0.0, time.monotonic() + STRAY_CHECK_S) if self._childless else due

    def _targets(self, climber: Climber) -> list[tree.Process]:
        """The living processes of the job: all that descend from us, and those elsewhere that carry its cookie."""
        mine = tree.descendants(os.getpid())
        if climber.has_signalled and mine and not self._childless:
            return mine  # the scan of all processes takes milliseconds: at the first step, and before we call it done
        return mine + tree.carriers(self._spec.cookie, known={process.pid for process in mine})

    def _signal_all(self, targets: list[tree.Process], number: int) -> None:
        self._signal_group(number)
        group_was_told = self._leader_exit is None and number != signal.SIGKILL
        send_to_each(
            [process for process in targets if not (group_was_told and _group_of(process.pid) == self._child.pid)],
            number,
        )
        if group_was_told:
            self._signal_group(signal.SIGCONT)

    def _signal_group(self, number: int) -> None:
        # Only while the leader is not reaped: until then nobody else can get its number. The kernel signals a group
        # at once, so that a member that is forking right now cannot leave a child behind.
        if self._leader_exit is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._child.pid, number)

    def _signal_leader(self, number: int) -> bool:
        if self._leader_exit is not None:
            return False
        self._signal_group(number)
        return True

    def _report_survivors(self, survivors: list[int]) -> None:
        self._survivors = survivors
        self._publish()
        for connection in list(self._stoppers):
            connection.send(survivors=survivors)

    # -- children --------------------------------------------------------------------------------------------------

    def _on_signal(self) -> None:
        numbers = os.read(self._wake_up, 4096)
        if signal.SIGCHLD in numbers:
            self._reap()
        for number in (signal.SIGTERM, signal.SIGINT):
            if number in numbers:
                why = f"its runner received {signal.Signals(number).name}"
                self._request_stop(
                    StopRequest(at=time.time(), by="system", why=why, signal="SIGTERM", grace_s=OWN_GRACE_S),
                    Outcome.KILLED,
                )

    def _reap(self) -> None:
        leader_was_alive = self._leader_exit is None
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self._childless = self._has_subreaper or not self._group_lives()
                break
            if pid == 0:
                break
            if pid == self._child.pid:
                self._leader_exit = _leader_exit(status)
        if leader_was_alive and self._leader_exit and not self._childless:
            self._publish()
            self._tell_watchers()

    def _group_lives(self) -> bool:
        # Without a subreaper: processes left behind in the job's group. Its number is not given away while they live.
        try:
            os.killpg(self._child.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True

    # -- records ---------------------------------------------------------------------------------------------------

    def _status(self, state: State) -> Status:
        return Status(state=state.value, boot_id=boot_id(), runner_pid=os.getpid())

    def _publish(self) -> None:
        status = dataclasses.replace(
            self._status(State.RUNNING),
            pid=self._child.pid,
            started_at=self._started_at,
            stop_requested=self._stop,
            leader_exit=self._leader_exit,
            lost_bytes=self._log.lost,
            survivors=self._survivors,
        )
        with contextlib.suppress(OSError):  # full disk, no directory: the exit record has its own room, and tells
            records.write(self._job.status, records.encode(status))

    def _finish(self) -> None:
        self._drain()
        self._log.close()
        exit_record = self._exit_record
        if exit_record is not None:
            exit_record.publish(self._exit())
        self._close_mark()
        for connection in self._connections:
            connection.close()
        self._listener.close()
        with contextlib.suppress(OSError):
            os.unlink(self._job.control)
        if exit_record is not None:
            exit_record.make_durable()

    def _exit(self) -> Exit:
        leader = self._leader_exit or LeaderExit(at=time.time())
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return Exit(
            outcome=outcome_of(leader.exit_code, self._stopped_as).value,
            exit_code=leader.exit_code,
            signal=leader.signal,
            reason=self._reason(leader)[:MAX_REASON],
            started_at=self._started_at,
            ended_at=time.time(),
            duration_s=time.monotonic() - self._started,
            user_s=usage.ru_utime,
            system_s=usage.ru_stime,
            max_rss=usage.ru_maxrss * 1024,
            output_bytes=self._log.end,
            dropped_bytes=self._log.dropped,
            lost_bytes=self._log.lost,
            stop_requested=self._stop,
        )

    def _reason(self, leader: LeaderExit) -> str:
        if self._stop is not None:
            return f"{self._stop.why} ({self._stop.signal}, asked by {self._stop.by})"
        if leader.signal == "SIGKILL":
            return "ended by SIGKILL, which nobody here sent: perhaps the kernel was out of memory"
        if leader.signal:
            return f"ended by {leader.signal}"
        return f"exit code {leader.exit_code}"


def signal_name(number: int) -> str:
    """Return a signal's name; real-time signals have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _leader_exit(status: int) -> LeaderExit:
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return LeaderExit(at=time.time(), signal=signal_name(-code))
    return LeaderExit(at=time.time(), exit_code=code)


def _stop_request(request: dict[str, Any]) -> StopRequest:
    name = str(request["signal"])
    if not name.startswith("SIG") or not hasattr(signal, name):
        raise ValueError(f"no such signal: {name}")
    return StopRequest(
        at=time.time(),
        by=str(request["by"])[:200],
        why=str(request["why"])[: MAX_REASON // 2],
        signal=name,
        grace_s=float(request["grace_s"]),
    )


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return -1
