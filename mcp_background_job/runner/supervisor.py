"""The life of one job, from spawn to exit record.

The supervisor waits on descriptors and one deadline, and does one small thing for each event:

    output readable      move it to the log, tell watchers
    a client             answer its requests
    SIGCHLD              reap; if no child is left, the tree is empty, and the job ends
    SIGTERM to itself    stop the job as if asked to
    SIGUSR1, SIGUSR2     pass them on to processes of the job that handle them
    deadline             a time limit, the next step of the escalation, or the next sample of the job's use

Its parts: ``family``, the job's processes; ``clients``, its connections; ``account``, the published facts; ``usage``,
the processes' use of the machine.
"""

from __future__ import annotations

import base64
import dataclasses
import fcntl
import os
import select
import signal
import struct
import termios
import time
from collections.abc import Callable

from mcp_background_job.core.ladder import Step
from mcp_background_job.core.states import Outcome
from mcp_background_job.errors import LaunchError
from mcp_background_job.jobdir import ancestry
from mcp_background_job.jobdir.ancestry import GRACE_S as OWN_GRACE_S
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import SYSTEM, Exit, Spec, StopRequest
from mcp_background_job.jobdir.requests import (
    Input,
    Port,
    Read,
    Signal,
    SignalHandlers,
    Stop,
    Unknown,
    Usage,
    Waits,
    Wish,
)
from mcp_background_job.runner import signals
from mcp_background_job.runner.account import Account
from mcp_background_job.runner.clients import Answer, Clients
from mcp_background_job.runner.family.climber import Climber
from mcp_background_job.runner.family.family import Family
from mcp_background_job.runner.family.kin import Kin, Vigil
from mcp_background_job.runner.family.unowned import queue_unowned
from mcp_background_job.runner.log.output import BUSY_READS, PIPE_SIZE, Log, enlarge_pipe
from mcp_background_job.runner.site import HOME, Site
from mcp_background_job.runner.spawn import Child, spawn
from mcp_background_job.runner.stages import Stages
from mcp_background_job.runner.stdin import Stdin
from mcp_background_job.runner.usage.answers import Answers
from mcp_background_job.runner.usage.sampler import CAN_SAMPLE, Sampler
from mcp_background_job.runner.usage.waiting import Ends

#: Seconds for processes that outlive the command to end politely, if they must not. Nobody looks after them any more.
LEFTOVERS_GRACE_S = 2.0

#: Seconds between looks if no event comes: for processes of a stopped job that are not descendants; and for descendants
#: that may have become the runners of other jobs.
STRAY_CHECK_S = 0.1

#: Seconds. If a command ended by SIGTERM, the sender may have signalled this process too: its own signal comes within
#: this time. The wait is in vain only for a job that somebody has ended by hand.
TOGETHER_S = 0.1

#: The exit code of shells and many programs when SIGTERM ends them.
_EXIT_OF_SIGTERM = 128 + signal.SIGTERM

#: poll(2) takes milliseconds as a 32-bit number. The loop comes back anyhow.
LONGEST_POLL_S = 86_400.0

#: Moves between two looks at all else: a job that floods its output can still be stopped.
MOVES_PER_TURN = 16

#: Moves after the last process died, more than the fullest pipe needs: a stranger may hold the pipe and go on writing.
MOVES_TO_DRAIN = 1024


class Supervisor:
    """Runs one job. ``start`` it, then ``run`` it to its end."""

    def __init__(self, job: JobDir, spec: Spec, *, has_subreaper: bool, site: Site = HOME) -> None:
        """Prepares; touches nothing."""
        self._job = job
        self._spec = spec
        self._site = site
        self._has_subreaper = has_subreaper
        self._account = Account(job, is_shared=site.is_shared)
        self._poll = select.poll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._full_reads: dict[int, int] = {}
        self._climber: Climber | None = None
        self._has_climbed = False
        self._stop_outcome: Outcome | None = None
        self._kin = Kin(job)
        self._vigil = Vigil(self._watch, self._unwatch)

    @property
    def withdrawn(self) -> list[JobDir]:
        """The jobs that were withdrawn from the queue because this one was stopped."""
        return self._kin.withdrawn

    # -- start -----------------------------------------------------------------------------------------------------

    def start(self) -> int:
        """Spawn the command and publish that it runs; returns its pid.

        Raises:
            LaunchError: it could not be started; only its directory is left.
        """
        try:
            self._account.open()
            self._log = Log(self._job, self._spec.max_output, is_shared=self._site.is_shared)
            doors = self._site.doors(self._job)
        except OSError as error:
            raise LaunchError(f"cannot prepare {self._job.path}: {error.strerror}") from error
        self._wake_up = self._catch_signals()
        # From now on a signal reaches the loop. A stop that was published earlier may bring no signal, so this looks
        # for one.
        if self._spec.parent and (stop := self._stop_of_ancestors()):
            self._account.stop = stop
            raise LaunchError(stop.why)
        first_input = self._first_input()
        self._account.start_clock()
        self._stages = Stages(self._job, self._spec)
        self._child: Child = spawn(dataclasses.replace(self._spec, env=self._stages.environment(self._spec.env)))
        self._family = Family(self._child.pid, self._spec.argv, self._spec.cookie, has_subreaper=self._has_subreaper)
        self._sampler = Sampler(self._job, self._log, self._account.started)
        self._usage = Answers(self._sampler)
        self._stdin = Stdin(self._child.stdin, is_terminal=self._child.is_terminal)
        self._ends = None if self._child.stdin is None else Ends.of(self._child.stdin, self._child.terminal)
        limit = self._spec.timeout_s
        self._limit = self._account.started + limit if limit is not None else None
        self._last_sign = self._account.started
        self._watch(self._wake_up, self._on_signal)
        self._clients = Clients(
            doors, self._family, self._log, watch=self._watch, unwatch=self._unwatch, carry_out=self._carry_out
        )
        for descriptor in self._child.outputs:
            self._watch(descriptor, lambda descriptor=descriptor: self._on_output(descriptor))
        self._publish()  # before clients can connect: they then find the pid
        if first_input:
            self._stdin.begin_with(first_input)
            self._watch_stdin()
        return self._child.pid

    def _first_input(self) -> bytes:
        if self._spec.stdin_file is None or self._spec.stdin == "closed":  # then the command reads the file itself
            return b""
        try:
            with open(self._spec.stdin_file, "rb") as file:
                return file.read()
        except OSError as error:
            raise LaunchError(f"cannot read {self._spec.stdin_file}, its first input: {error.strerror}") from error

    def give_up(self, reason: str) -> None:
        """Record that the job could not be started, or forget it."""
        self._account.give_up(reason)

    def _catch_signals(self) -> int:
        read, write = os.pipe()
        os.set_blocking(read, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, signals.take_notice)
        return read

    def _publish(self) -> None:
        self._account.publish(self._family, self._log)

    # -- the loop --------------------------------------------------------------------------------------------------

    def run(self) -> Exit:
        """Supervise until no process of the job is left, then publish its end; returns the exit record."""
        while True:
            if self._family.in_doubt:
                self._reap()
            due = self._limits_due() if self._climber is None else self._climb()
            if self._family.childless and self._climber is None:
                kin = self._kin.left()
                if kin is None and not self._hears_of_a_stop():
                    break
                self._vigil.keep(kin or [])
                due = self._kin.look_again_at() if kin else None
            elif self._family.in_doubt:
                soon = time.monotonic() + STRAY_CHECK_S
                due = soon if due is None else min(due, soon)
            due = self._sampler.due if due is None else min(due, self._sampler.due)
            timeout = min(max(0.0, due - time.monotonic()), LONGEST_POLL_S) * 1000
            for descriptor, _ in self._poll.poll(timeout):
                handler = self._handlers.get(descriptor)
                if handler:  # an earlier handler of this turn may have closed it
                    handler()
            self._keep_limits()
            self._sampler.keep_up()
        return self._finish()

    def _watch(self, descriptor: int, handler: Callable[[], None], events: int = select.POLLIN) -> None:
        self._handlers[descriptor] = handler
        self._poll.register(descriptor, events)

    def _unwatch(self, descriptor: int) -> None:
        if self._handlers.pop(descriptor, None):
            self._poll.unregister(descriptor)

    def _finish(self) -> Exit:
        self._drain()
        self._log.close()
        self._account.ended_with, self._account.kin = self._kin.ended(), self._kin.named()
        record = self._account.publish_end(self._family, self._log, self._sampler.peak_memory)
        self._clients.close(self._site.last_words(record))
        self._site.leave(self._job)
        self._sampler.finish()
        self._account.make_durable()
        if self._has_climbed:
            queue_unowned(self._job.state_dir)
        return record

    # -- output and input ------------------------------------------------------------------------------------------

    def _on_output(self, descriptor: int) -> None:
        self._note_sign()
        for _ in range(MOVES_PER_TURN):
            count = self._move(descriptor)
            if count is None:
                break
            if count == 0:
                self._end_output(descriptor)
                break
        self._log.settle()
        self._clients.tell_watchers()

    def _note_sign(self) -> None:
        """Note that something came from the job, or was sent to it: then it gets its time to answer."""
        self._last_sign = time.monotonic()
        self._sampler.stir()

    def _move(self, descriptor: int) -> int | None:
        """Move the bytes that are there; ``None`` if there are none now, 0 at the end."""
        try:
            count = self._log.move(descriptor, self._child.outputs[descriptor])
        except BlockingIOError:
            return None
        except OSError:  # EIO: no process has the terminal open any more
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

    def _catch_up(self) -> None:
        """Move the bytes that were written until now, and no more: others may hold the pipes and go on writing.

        No event will report these bytes any more, so the caller tells the watchers.
        """
        for descriptor in list(self._child.outputs):
            waiting = struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))[0]
            if waiting > 0:
                self._note_sign()
            while waiting > 0 and (count := self._move(descriptor)):
                waiting -= count
        self._log.settle()

    def _drain(self) -> None:
        """Move the bytes that dead processes left in the pipes; a stranger may hold the end of a pipe open."""
        for descriptor in list(self._child.outputs):
            for _ in range(MOVES_TO_DRAIN):
                if not self._move(descriptor):
                    break

    def _take_input(self, data: bytes, *, eof: bool) -> Answer:
        self._note_sign()
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

    # -- wishes ----------------------------------------------------------------------------------------------------

    def _carry_out(self, wish: Wish) -> Answer:
        if isinstance(wish, Stop):
            self._request_stop(wish.request, Outcome.KILLED)
            return {"stopping": True}
        if isinstance(wish, (Signal, SignalHandlers)):
            return self._send_signal(wish)
        if isinstance(wish, Input):
            return self._take_input(wish.data, eof=wish.eof)
        if isinstance(wish, Read):
            return self._read(wish)
        return self._tell(wish)

    def _read(self, wish: Read) -> Answer:
        if wish.file:
            self._log.settle()
            data, size = self._site.read(self._job, wish.file, wish.offset, wish.limit)
            return {"offset": wish.offset, "data": base64.b64encode(data).decode(), "size": size}
        offset, data = self._log.read(wish.offset, wish.limit)
        return {"offset": offset, "data": base64.b64encode(data).decode(), "size": self._log.end}

    def _tell(self, wish: Usage | Port | Waits | Unknown) -> Answer:
        if isinstance(wish, Usage) and CAN_SAMPLE:
            return self._usage.usage(pss=wish.pss)
        if isinstance(wish, Port) and CAN_SAMPLE:
            return self._usage.port(wish.number, wish.address)
        if isinstance(wish, Waits) and CAN_SAMPLE:
            return self._whether_it_waits()
        return {"error": f"unknown request {wish.op!r}: this runner is of another release or system"}

    def _whether_it_waits(self) -> Answer:
        # In this order: if a process waits for input, all that was written before is in the pipe.
        answer = self._usage.waits(None if self._stdin.descriptor is None else self._ends)
        self._catch_up()
        self._clients.tell_watchers()
        return {**answer, "queued": len(self._stdin.unread), "size": self._log.end}

    def _send_signal(self, wish: Signal | SignalHandlers) -> Answer:
        if isinstance(wish, Signal):
            return {"ok": self._family.signal_foreground(wish.number)}
        return {"pids": self._family.signal_handlers(wish.number)}

    def _on_signal(self) -> None:
        numbers = os.read(self._wake_up, 4096)
        if signal.SIGCHLD in numbers:
            self._reap()
        for number in signals.PASSED_ON:
            if number in numbers:
                self._family.signal_handlers(number)
        for number in (signal.SIGTERM, signal.SIGINT):
            if number in numbers:
                why = f"its runner received {signal.Signals(number).name}{self._from_elsewhere()}"
                within_s, outcome = self._site.stop()
                request = self._stop_of_ancestors() or ancestry.own_stop(self._spec, SYSTEM, why, within_s)
                self._request_stop(request, outcome)
                # The sender has also signalled the job, a moment before: see _hears_of_a_stop.
                if self._family.childless or self._site.signals_all:
                    self._account.stopped_as = outcome

    def _stop_of_ancestors(self) -> StopRequest | None:
        stop = ancestry.stop_of_ancestors(self._job.state_dir, self._spec.ancestors)
        return stop and ancestry.as_ends_best(stop, self._spec)

    def _from_elsewhere(self) -> str:
        """Return a note on a sender of signals that cannot be asked why."""
        parent = self._spec.parent
        if parent is None or os.path.exists(self._job.state_dir.job(parent).path):
            return ""
        return f", perhaps because job {parent} ended, which had started it: that job is of another state directory"

    def _hears_of_a_stop(self) -> bool:
        """Tell, when the job is over, whether it was stopped together with this process.

        A sender that signals all processes of a tree or a machine does so one after the other. So the command may be
        dead before this process gets its own signal. This reads the signal before the end is published. If the command
        ended as SIGTERM ends one, it waits for the signal.
        """
        if self._account.stop is not None or self._family.leader_exit is None:
            return False
        leader = self._family.leader_exit
        looks_stopped = leader.signal == "SIGTERM" or leader.exit_code == _EXIT_OF_SIGTERM
        deadline = time.monotonic() + (TOGETHER_S if looks_stopped and not self._has_climbed else 0.0)
        while True:
            left = max(0.0, deadline - time.monotonic())
            # It looks once more: on a loaded machine, the signal may come just when the time is over.
            if not any(select.select([self._wake_up], [], [], wait_s)[0] for wait_s in (left, 0.0)):
                return False
            self._on_signal()
            if self._account.stop is not None:
                return True

    # -- limits ----------------------------------------------------------------------------------------------------

    def _limits_due(self) -> float | None:
        """Return when the next limit is reached; ``None`` if there is none, or the job is being stopped anyhow."""
        if self._account.stop is not None or self._climber is not None:
            return None
        idle = self._spec.idle_timeout_s
        dues = [due for due in (self._limit, None if idle is None else self._last_sign + idle) if due is not None]
        return min(dues, default=None)

    def _keep_limits(self) -> None:
        due = self._limits_due()
        if due is None or time.monotonic() < due:
            return
        if due == self._limit:
            why = f"time limit of {self._spec.timeout_s:g} s reached"
        else:
            why = f"no output for {self._spec.idle_timeout_s:g} s, the limit for that"
        self._request_stop(ancestry.own_stop(self._spec, "runner", why), Outcome.TIMED_OUT)

    # -- stopping, and the end -------------------------------------------------------------------------------------

    def _request_stop(self, request: StopRequest, stopped_as: Outcome) -> None:
        """Begin to stop; if that is under way, stop sooner or with SIGKILL if the new request says so."""
        number = getattr(signal, request.signal)
        if self._climber is None:
            self._account.stop, self._stop_outcome = request, stopped_as
            self._climber = Climber(number, request.grace_s, self._family.signal_all)
        else:
            self._climber.hurry(number, request.grace_s)
        self._publish()
        self._kin.tell(request.grace_s)

    def _climb(self) -> float | None:
        """Carry out the step of the escalation that is due; returns when to ask again, ``None`` if it is complete."""
        climber = self._climber
        if climber is None:
            return None
        self._has_climbed = True
        childless = self._family.childless
        # All processes are scanned at the first step, and before the escalation counts as complete.
        targets = self._family.living(quick=climber.has_signalled)
        step, due = climber.climb(targets, alive=bool(targets) or not childless)
        self._account.killed = climber.killed
        if step is Step.REPORT_SURVIVORS:
            self._report_survivors([process.pid for process in targets])
        if step is Step.DONE:
            self._climber = None
            self._kin.tell(OWN_GRACE_S)  # jobs that were started meanwhile
            return None
        if climber.has_signalled:
            self._account.stopped_as = self._stop_outcome
        return min(due or 0.0, time.monotonic() + STRAY_CHECK_S) if childless else due

    def _report_survivors(self, survivors: list[int]) -> None:
        self._account.survivors = survivors
        self._publish()
        self._clients.tell_stoppers(survivors)

    def _reap(self) -> None:
        family = self._family
        leader_was_alive, failures = family.leader_exit is None, len(family.failures)
        family.reap()
        self._sampler.stir()
        if not leader_was_alive or family.leader_exit is None:
            if len(family.failures) > failures and not family.childless:
                self._publish()
            return
        family.note_failures(self._stages.children.failures())
        self._account.stages = self._stages.read()
        self._account.hidden = self._stages.hidden(self._account.stages, family.leader_exit.exit_code)
        ends_leftovers = self._spec.leftovers == "kill" and self._climber is None
        if not family.childless:
            self._catch_up()  # clients that learn of the command's end find all its output
            if ends_leftovers:
                # This is not a stop of the job, which has ended as its command did.
                self._climber = Climber(signal.SIGTERM, LEFTOVERS_GRACE_S, family.signal_all)
            self._publish()
            self._clients.tell_watchers()
        if ends_leftovers:
            if family.childless:
                self._publish()  # the command has ended, which is why these jobs end
            self._kin.tell(OWN_GRACE_S)
