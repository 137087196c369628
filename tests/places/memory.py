"""A place in memory: the twin of ``LocalPlace`` for tests of the use cases, held to the same contract.

Its jobs are no processes. Each is a program that does what its input says, line by line, as the shell script ``OBEYS``
does at a real place: ``say WORDS`` writes a line, ``exit CODE`` ends it, and the end of its input ends it with 0.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncGenerator, Collection, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from mcp_background_job.core.output.gaps import Gap
from mcp_background_job.core.schedule import decide
from mcp_background_job.core.states import Outcome, State
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.executors.base import Cancelled, Submitted
from mcp_background_job.executors.overview import Overview
from mcp_background_job.executors.usage import Usage
from mcp_background_job.executors.waits import Waits
from mcp_background_job.jobdir.control import News, NoRunnerError
from mcp_background_job.jobdir.log.format import Stream
from mcp_background_job.jobdir.log.reader import Entry, Part, Parts, Piece
from mcp_background_job.jobdir.marks import waiting_of
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobdir.records import Exit, Spec, Status, StopRequest
from mcp_background_job.jobdir.usage import Sample

#: The same program in shell.
OBEYS = """
while read -r verb rest; do
  case "$verb" in say) printf '%s\\n' "$rest";; exit) exit "$rest";; esac
done
"""

#: Between two looks at a job that waits for others.
_LOOK_AGAIN_S = 0.01


@dataclass
class MemoryJob:
    """One job: what was asked, and what has become of it."""

    spec: Spec | None = None
    status: Status | None = None
    exit: Exit | None = None
    log: bytes = b""
    entries: list[Entry] = field(default_factory=list[Entry])
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    samples: list[Sample] = field(default_factory=list[Sample])
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    changes: int = 0

    @property
    def state(self) -> State:
        """Where the job is in its life."""
        return State.EXITED if self.exit else State.RUNNING if self.status else State.QUEUED

    def notify(self) -> None:
        """Wake all who watch the job."""
        self.changes += 1
        self.changed.set()
        self.changed = asyncio.Event()

    def say(self, data: bytes, stream: Stream = Stream.STDOUT) -> None:
        """Write to the log."""
        self.entries.append(Entry(len(self.log), time.time(), len(data), stream))
        self.log += data
        self.notify()

    def end(self, outcome: Outcome, **how: Any) -> None:
        """End the job, unless it has ended."""
        if self.exit is None:
            started_at = self.status.started_at if self.status else None
            self.exit = Exit(outcome=outcome.value, ended_at=time.time(), started_at=started_at, **how)
            self.notify()


class MemoryStore:
    """The files of jobs, without files."""

    def __init__(self) -> None:
        self.jobs: dict[str, MemoryJob] = {}
        self._changes = 0

    def prepare(self) -> None: ...

    def health(self) -> str | None:
        return None

    def has(self, job_id: str) -> bool:
        return job_id in self.jobs

    def discover(self) -> set[str]:
        return set(self.jobs)

    def scan(self) -> Iterator[str]:
        return iter(list(self.jobs))

    def open_jobs(self) -> list[str]:
        return [job_id for job_id, job in self.jobs.items() if job.spec and not job.exit]

    def jobs_changed_at(self) -> int:
        return self._changes

    def corrected(self) -> set[str]:
        return set()

    def marks_changed_at(self) -> int:
        return self._changes + sum(job.changes for job in self.jobs.values())

    def waiting(self) -> set[str]:
        return {job_id for job_id in self.open_jobs() if self.jobs[job_id].state is State.QUEUED}

    def queue_changed_at(self) -> int:
        return self.marks_changed_at()

    def changed_at(self, job_id: str) -> int | None:
        return self.jobs[job_id].changes if job_id in self.jobs else None

    def claim(self, job_id: str) -> bool:
        if job_id in self.jobs:
            return False
        self.jobs[job_id] = MemoryJob()
        self._changes += 1
        return True

    def identity_of(self, job_id: str) -> str:
        return f"1-{id(self.jobs[job_id]):x}"

    def keep(self, job_id: str, name: str, data: bytes) -> str:
        self.jobs[job_id].files[name] = data
        return f"memory:{job_id}/{name}"

    def record(self, spec: Spec) -> None:
        self.claim(spec.job_id)
        job = self.jobs[spec.job_id]
        job.spec = job.spec or spec
        job.notify()

    def mark_open(self, job_id: str) -> None: ...

    def remove(self, job_id: str) -> bool:
        self.jobs.pop(job_id, None)
        self._changes += 1
        return True

    def spec(self, job_id: str) -> Spec | None:
        return self.jobs[job_id].spec if job_id in self.jobs else None

    def is_recorded(self, job_id: str) -> bool:
        return self.spec(job_id) is not None

    def is_over(self, job_id: str) -> bool:
        return job_id not in self.jobs or self.jobs[job_id].exit is not None

    def log_extent(self, job_id: str) -> tuple[int, int]:
        return 0, len(self._log(job_id))

    def read_log(self, job_id: str, offset: int, limit: int, stream: Stream | None = None) -> Piece:
        log = b"" if stream is Stream.STDERR else self._log(job_id)
        start = min(offset, len(log))
        end = min(start + limit, len(log))
        return Piece(log[start:end], start, end, 0, len(log))

    def read_parts(self, job_id: str, offset: int, limit: int, stream: Stream | None) -> Parts:
        log = self._log(job_id)
        start = after = min(offset, len(log))
        parts: list[Part] = []
        for entry in self.entries(job_id, start):
            if limit <= 0:
                break
            begin, stop = max(entry.offset, start), entry.end
            if stream is None or entry.stream is stream:
                stop = min(stop, begin + limit)
                parts.append(Part(begin, entry.at, log[begin:stop], stream=entry.stream))
                limit -= stop - begin
            after = stop
        return Parts(parts, start, after, len(log))

    def read_log_tail(self, job_id: str, limit: int, stream: Stream | None = None) -> Piece:
        return self.read_log(job_id, max(0, len(self._log(job_id)) - limit), limit, stream)

    def missing(self, job_id: str, start: int, end: int) -> list[Gap]:
        del job_id, start, end  # a disk in memory is never full
        return []

    def entries(self, job_id: str, offset: int) -> list[Entry]:
        known = self.jobs[job_id].entries if job_id in self.jobs else []
        return [entry for entry in known if entry.end > offset]

    def offset_at(self, job_id: str, moment: float) -> int:
        later = (entry.offset for entry in self.entries(job_id, 0) if entry.at >= moment)
        return next(later, len(self._log(job_id)))

    def written_at(self, job_id: str, offset: int) -> float | None:
        return next((entry.at for entry in self.entries(job_id, offset) if entry.offset <= offset), None)

    def last_output_at(self, job_id: str) -> float | None:
        entries = self.entries(job_id, 0)
        return entries[-1].at if entries else None

    def samples(self, job_id: str) -> list[Sample]:
        return self.jobs[job_id].samples if job_id in self.jobs else []

    def latest_samples(self, job_id: str, count: int) -> list[Sample]:
        return self.samples(job_id)[: -count - 1 : -1]

    def trouble_at_end(self, job_id: str) -> str | None:
        del job_id  # nothing is run at the end of a program in memory
        return None

    def log_path(self, job_id: str) -> str:
        return f"memory:{job_id}"

    def _log(self, job_id: str) -> bytes:
        return self.jobs[job_id].log if job_id in self.jobs else b""


class MemoryChannel:
    """A connection to a program in memory."""

    def __init__(self, job: MemoryJob, serve: Any) -> None:
        self._job = job
        self._serve = serve
        self._asked: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def watch(self, size: int, *, leader_exited: bool) -> News | None:
        self.ask_for_news(size, leader_exited=leader_exited)
        return await self.news()

    def ask_for_news(self, size: int, *, leader_exited: bool) -> None:
        del leader_exited  # a program in memory leaves nothing behind
        self._asked = size
        self._job.notify()

    async def news(self) -> News | None:
        while self._job.exit is None and (self._asked is None or len(self._job.log) <= self._asked):
            await self._job.changed.wait()
        self._asked = None  # each question is answered once
        return None if self._job.exit else News(len(self._job.log), leader_exited=False)

    async def ended(self) -> None:
        while self._job.exit is None:
            await self._job.changed.wait()

    async def stop(self, request: StopRequest) -> bool:
        if self._job.exit:
            return False
        self._job.end(Outcome.KILLED, signal=request.signal, stop_requested=request)
        self._serve()
        return True

    async def outcome_of_stop(self) -> list[int]:
        return []

    async def signal(self, number: int) -> bool:
        if self._job.exit:
            return False
        self._job.end(Outcome.FAILED, signal=signal.Signals(number).name)
        self._serve()
        return True

    async def signal_handlers(self, number: int) -> dict[str, Any] | None:
        del number  # no process of a job in memory handles any
        return None if self._job.exit else {"pids": []}

    async def send_input(self, data: bytes, *, eof: bool) -> dict[str, Any] | None:
        if self._job.exit or self._job.spec is None:
            return None
        if self._job.spec.stdin == "closed":
            return {"error": "closed"}
        for line in data.decode().splitlines():
            verb, _, rest = line.partition(" ")
            if verb == "say":
                self._job.say(rest.encode() + b"\n")
            elif verb == "exit":
                self._exit(int(rest))
        if eof:
            self._exit(0)
        return {"ok": True}

    def _exit(self, code: int) -> None:
        self._job.end(Outcome.FAILED if code else Outcome.COMPLETED, exit_code=code)
        self._serve()


class MemoryPlace:
    """Where jobs run that are no processes."""

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self.is_apart = False
        self.store = MemoryStore()
        self.cared_for: list[str] = []
        self.open_ports: dict[int | tuple[int, str], str] = {}
        self._pids = 0

    def check(self, asked: str) -> None:
        if asked:
            raise InvalidRequestError(f"a program in memory has no {asked}")

    async def launch(self, spec: Spec, *, wait_for_report: bool) -> Submitted:
        del wait_for_report
        self.store.record(spec)
        self._serve()
        job = self.store.jobs[spec.job_id]
        return Submitted(job.status.pid if job.status else None, queued=job.state is State.QUEUED)

    def _serve(self) -> None:
        """Start and end what is due, by the rules of every queue."""
        jobs = {job_id: job for job_id, job in self.store.jobs.items() if job.spec}
        waiting = [waiting_of(job.spec) for job in jobs.values() if job.spec and job.state is State.QUEUED]
        running = [waiting_of(job.spec) for job in jobs.values() if job.spec and job.state is State.RUNNING]
        named = {other for job in waiting for other in job.after}
        ended = {other: self._outcome(other) for other in named if other not in jobs or jobs[other].exit}
        decision = decide(waiting, running, ended)
        for job_id in decision.launch:
            self._pids += 1
            jobs[job_id].status = Status(
                state=State.RUNNING.value, boot_id="", runner_pid=0, pid=self._pids, started_at=time.time()
            )
            jobs[job_id].notify()
        for job_id, reason in decision.fail.items():
            jobs[job_id].end(Outcome.FAILED, reason=reason)
        if decision.fail:
            self._serve()

    def _outcome(self, job_id: str) -> Outcome | None:
        end = self.store.jobs[job_id].exit if job_id in self.store.jobs else None
        return Outcome(end.outcome) if end else None

    def look(self, job_ids: Collection[str]) -> dict[str, Observation]:
        jobs = {job_id: self.store.jobs[job_id] for job_id in job_ids if job_id in self.store.jobs}
        return {
            job_id: Observation(
                state=job.state,
                outcome=Outcome(job.exit.outcome) if job.exit else None,
                exit=job.exit,
                status=None if job.exit else job.status,
            )
            for job_id, job in jobs.items()
        }

    def has_runner(self, job_id: str) -> bool:
        return job_id in self.store.jobs and self.store.jobs[job_id].state is State.RUNNING

    async def connect(self, job_id: str) -> MemoryChannel:
        if not self.has_runner(job_id):
            raise NoRunnerError(job_id)
        return MemoryChannel(self.store.jobs[job_id], self._serve)

    async def cancel(self, job_id: str, request: StopRequest) -> Cancelled:
        job = self.store.jobs.get(job_id)
        if job is None or job.exit:
            return Cancelled(was_live=False)
        if job.state is State.QUEUED:
            reason = f"withdrawn from the queue: {request.why} (asked by {request.by})"
            job.end(Outcome.KILLED, reason=reason, stop_requested=request)
            self._serve()
        else:
            async with await self.connect(job_id) as channel:
                await channel.stop(request)
        return Cancelled(was_live=True)

    async def care(self, job_id: str) -> None:
        self.cared_for.append(job_id)

    def care_later(self, job_id: str) -> None:
        self.cared_for.append(job_id)

    async def tend(self) -> None: ...

    async def serve(self) -> None:
        self._serve()

    def is_suspended(self, seen: Observation) -> bool:
        del seen  # a program in memory is never
        return False

    def usage_seen(self, job_id: str, seen: Observation) -> Usage | None:
        del job_id
        return Usage(processes=1, cpu_s=0.0, memory=0) if seen.state is State.RUNNING else None

    async def usage(self, job_id: str) -> Usage | None:
        seen = self.look([job_id]).get(job_id)
        return self.usage_seen(job_id, seen) if seen else None

    async def waits(self, job_id: str) -> Waits | None:
        job = self.store.jobs[job_id]
        return Waits(how="read", size=len(job.log)) if job.state is State.RUNNING else None

    async def port_is_open(self, job_id: str, port: int, address: str | None = None) -> bool:
        listens = self.open_ports.get(port)
        return (listens if address is None else self.open_ports.get((port, address), listens)) == job_id

    async def port_is_taken(self, job_id: str, port: int) -> bool:
        del job_id
        return port in self.open_ports

    def look_again_s(self, seen: Observation | None) -> float:
        del seen
        return _LOOK_AGAIN_S

    async def overview(self) -> Overview:
        return Overview(place=self.name)

    def health(self) -> str | None:
        return None

    async def start(self) -> None: ...

    async def finish(self) -> None: ...

    def close(self) -> None: ...


class MemoryNames:
    """Names for the managers of one process."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}

    @contextlib.asynccontextmanager
    async def held(self, name: str) -> AsyncGenerator[bool]:
        async with self._locks.setdefault(name, asyncio.Lock()):
            yield True
