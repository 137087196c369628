"""The facts that a runner publishes about its job: the status file while the job lives, the exit record at its end."""

from __future__ import annotations

import contextlib
import os
import resource
import time

from mcp_background_job.core.aftermath import background, forced, out_of_memory, sigkill
from mcp_background_job.core.states import Outcome, State, outcome_of
from mcp_background_job.jobdir import lock, records
from mcp_background_job.jobdir.boot import boot_id, machine, uptime
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import Exit, LeaderExit, Status, StopRequest
from mcp_background_job.kernel import oom
from mcp_background_job.runner.exit_record import MAX_REASON, ExitRecord
from mcp_background_job.runner.family.family import Family
from mcp_background_job.runner.log.output import Log


class Account:
    """The facts about a job that its processes and its log do not have, and the files that publish them.

    Attributes:
        started: when its clock was started, in monotonic seconds.
        stop: the request to stop the job.
        stopped_as: its outcome because of that; set when a signal was sent: a job that ends before ended by itself.
        survivors: pids of processes that SIGKILL has not ended.
        killed: pids of processes that were sent SIGKILL.
        stages: exit codes of the stages of the pipeline that the shell ran last.
        hidden: the sentence that a stage of a pipeline failed, or may have.
        ended_with: ids of the jobs within it that ended because it was ended.
        kin: the sentence on these jobs.
    """

    def __init__(self, job: JobDir, *, is_shared: bool) -> None:
        """Prepares; touches nothing. ``is_shared``: other machines read the files."""
        self.stop: StopRequest | None = None
        self.stopped_as: Outcome | None = None
        self.survivors: list[int] = []
        self.killed: list[int] = []
        self.stages: list[int] = []
        self.hidden: str | None = None
        self.ended_with: list[str] = []
        self.kin = ""
        self._oom_kills_before = oom.killed()
        self._job = job
        self._is_shared = is_shared
        self._exit_record: ExitRecord | None = None

    def open(self) -> None:
        """Reserve the room for the exit record, and publish that the job is starting.

        Raises:
            OSError: there is no room.
        """
        self._exit_record = ExitRecord(self._job, is_shared=self._is_shared)
        # From now on the job is never mistaken for one that waits to be started, even if this process dies.
        starting = Status(state=State.STARTING.value, boot_id=boot_id(), runner_pid=os.getpid(), machine=machine())
        records.write(self._job.status, records.encode(starting))

    def start_clock(self) -> None:
        """Start to measure the job's time."""
        self._started_at = time.time()
        self._started_uptime = uptime()
        self.started = time.monotonic()

    def give_up(self, reason: str) -> None:
        """Record that the job could not be started. If that fails, remove its spec: then nothing can start it later."""
        outcome = Outcome.KILLED if self.stop else Outcome.FAILED
        record = Exit(outcome=outcome.value, ended_at=time.time(), reason=reason[:MAX_REASON], stop_requested=self.stop)
        if self._exit_record is not None and self._exit_record.publish(record):
            self._exit_record.make_durable()
        else:
            with contextlib.suppress(OSError):
                os.unlink(self._job.spec)
        self._close_mark()
        lock.release_mine()

    def publish(self, family: Family, log: Log) -> None:
        """Publish the present status."""
        status = Status(
            state=State.RUNNING.value,
            boot_id=boot_id(),
            runner_pid=os.getpid(),
            pid=family.pid,
            started_at=self._started_at,
            started_uptime=self._started_uptime,
            stop_requested=self.stop,
            leader_exit=family.leader_exit,
            lost_bytes=log.lost,
            survivors=self.survivors,
            machine=machine(),
            failures=family.failures,
            stages=self.stages,
            hidden=self.hidden,
        )
        with contextlib.suppress(OSError):  # full disk, no directory: the exit record has its own room
            records.write(self._job.status, records.encode(status))

    def publish_end(self, family: Family, log: Log, peak_memory: int) -> Exit:
        """Publish the end of the job; returns the record."""
        record = self._exit(family.leader_exit or LeaderExit(at=time.time()), family, log, peak_memory)
        if self._exit_record is not None:
            self._exit_record.publish(record)
        self._close_mark()
        # The record counts only from now on: a record that a job itself writes there is never taken for its end.
        # Clients see the end when this process hangs up, which comes later.
        lock.release_mine()
        return record

    def make_durable(self) -> None:
        """Bring the exit record to the disk, after all clients are gone."""
        if self._exit_record is not None:
            self._exit_record.make_durable()

    def _close_mark(self) -> None:
        with contextlib.suppress(OSError):  # the mark is gone, or the whole directory
            os.unlink(self._job.state_dir.open_mark(self._job.job_id))

    def _exit(self, leader: LeaderExit, family: Family, log: Log, peak_memory: int) -> Exit:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        oom_kills = self._oom_kills()
        return Exit(
            outcome=outcome_of(leader.exit_code, self.stopped_as).value,
            exit_code=leader.exit_code,
            signal=leader.signal,
            reason=self._reason(leader, family, oom_kills)[:MAX_REASON],
            started_at=self._started_at,
            ended_at=time.time(),
            duration_s=time.monotonic() - self.started,
            user_s=usage.ru_utime,
            system_s=usage.ru_stime,
            max_rss=usage.ru_maxrss * 1024,
            # One process alone may have held more than all were seen to hold at any look.
            peak_memory=max(peak_memory, usage.ru_maxrss * 1024),
            output_bytes=log.end,
            dropped_bytes=log.dropped,
            lost_bytes=log.lost,
            stop_requested=self.stop,
            killed_pids=self.killed,
            failures=family.failures,
            oom_kills=oom_kills or 0,
            stages=self.stages,
            ended_with=self.ended_with,
        )

    def _oom_kills(self) -> int | None:
        now, before = oom.killed(), self._oom_kills_before
        return None if now is None or before is None else max(0, now - before)

    def _reason(self, leader: LeaderExit, family: Family, oom_kills: int | None) -> str:
        end = self._end(leader, oom_kills)
        told = [end] if end else []
        told += [self.hidden] if self.hidden else []
        told += [background(**vars(failure)) for failure in family.failures]
        told += [out_of_memory(oom_kills)] if oom_kills and leader.signal != "SIGKILL" else []
        told += [self.kin] if self.kin else []
        # An exit code is shown with every job. Behind it, nobody would read on.
        return "; ".join(told) or f"exit code {leader.exit_code}"

    def _end(self, leader: LeaderExit, oom_kills: int | None) -> str | None:
        if self.stop is not None:
            by_force = forced(self.stop.grace_s, self.stop.signal, self.killed)
            asked = f"{self.stop.why} ({self.stop.signal}, asked by {self.stop.by})"
            return f"{asked}; it {by_force}" if by_force else asked
        if leader.signal == "SIGKILL":
            return sigkill(oom_kills)
        return f"ended by {leader.signal}" if leader.signal else None
