"""The interface of a place where jobs run, and of the store that keeps its jobs' files.

A **store** reads and writes files, and knows no engine. A **place** runs jobs and stops them. Methods without ``async``
read or write files, or ask the kernel: call them in a thread. They wait for no other process.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from mcp_background_job.core.values import frozen

if TYPE_CHECKING:
    from mcp_background_job.core.output.gaps import Gap
    from mcp_background_job.executors.overview import Overview
    from mcp_background_job.executors.usage import Usage
    from mcp_background_job.executors.waits import Waits
    from mcp_background_job.jobdir.control import News
    from mcp_background_job.jobdir.log.format import Stream
    from mcp_background_job.jobdir.log.reader import Entry, Parts, Piece
    from mcp_background_job.jobdir.observe import Observation
    from mcp_background_job.jobdir.records import Spec, StopRequest
    from mcp_background_job.jobdir.usage import Sample


@frozen
class Submitted:
    """The outcome of a submission: the pid of the command if it runs, or that the job waits in the queue."""

    pid: int | None = None
    queued: bool = False


@frozen
class Cancelled:
    """The outcome of a cancellation.

    Attributes:
        was_live: whether the job had not ended before, or processes of it had to be ended.
        survivors: processes that SIGKILL did not end.
        why: in words, what they are and why they are alive.
        is_certain: whether no other process of the job can be left.
    """

    was_live: bool
    survivors: tuple[int, ...] = ()
    why: str = ""
    is_certain: bool = True


class Channel(Protocol):
    """A connection to a job's runner. If it ends without an answer, the job has ended."""

    async def __aenter__(self) -> Self:
        """Nothing more to do."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        ...

    async def watch(self, size: int, *, leader_exited: bool) -> News | None:
        """Wait until the log is larger than ``size`` or the command has ended; ``None`` once the job is over."""
        ...

    def ask_for_news(self, size: int, *, leader_exited: bool) -> None:
        """Ask for one notice of what ``watch`` waits for; a later request replaces this one."""
        ...

    async def news(self) -> News | None:
        """Wait for that notice; ``None`` once the job is over. May be cancelled, and called again."""
        ...

    async def ended(self) -> None:
        """Wait until the job is over, ignoring answers."""
        ...

    async def stop(self, request: StopRequest) -> bool:
        """Ask for the job to be stopped; returns whether a runner received the request.

        Raises:
            RunnerTimeoutError: no answer came.
        """
        ...

    async def outcome_of_stop(self) -> list[int]:
        """Wait for the end of a job that was asked to stop; returns processes that survive SIGKILL, if any."""
        ...

    async def signal(self, number: int) -> bool:
        """Signal the command's process group, as a terminal would; returns whether the command is still there."""
        ...

    async def signal_handlers(self, number: int) -> dict[str, Any] | None:
        """Signal the processes of the job that handle a signal; returns the runner's answer with their ``pids``.

        ``None`` if the job is over; an ``error`` from a runner of release 1.0.0, which cannot do it.
        """
        ...

    async def send_input(self, data: bytes, *, eof: bool) -> dict[str, Any] | None:
        """Write to the job's stdin; returns the runner's answer, ``None`` if the job is over."""
        ...


class Store(Protocol):
    """The files of the jobs of one place."""

    def prepare(self) -> None:
        """Make the directory of the jobs, and check that only this user can use it.

        Raises:
            StateDirError: the check failed.
        """
        ...

    def health(self) -> str | None:
        """Return what is wrong with the store, ``None`` if nothing is."""
        ...

    # -- which jobs there are --------------------------------------------------------------------------------------

    def has(self, job_id: str) -> bool:
        """Tell whether there is a job with this id."""
        ...

    def discover(self) -> set[str]:
        """Return the ids of all jobs."""
        ...

    def scan(self) -> Iterator[str]:
        """Iterate over the ids of all jobs while the directory is listed."""
        ...

    def open_jobs(self) -> list[str]:
        """Return the ids of all jobs that are marked as not ended."""
        ...

    def jobs_changed_at(self) -> int:
        """Return a number that changes when a job is added or removed: nanoseconds since the epoch.

        Raises:
            StateDirError: the store is gone.
        """
        ...

    def marks_changed_at(self) -> int:
        """Return a number that changes when a job is marked as not ended, or no longer: nanoseconds since the epoch."""
        ...

    def changed_at(self, job_id: str) -> int | None:
        """Return a number that changes when a file of a job appears or is replaced, ``None`` if the job is gone."""
        ...

    def corrected(self) -> set[str]:
        """Return the ids of jobs that were taken for over, and whose runners have reported since how they ended.

        An id may be returned repeatedly. For each of these jobs, ``marks_changed_at`` changes.
        """
        ...

    def waiting(self) -> set[str]:
        """Return the ids of the jobs that wait for their turn."""
        ...

    def queue_changed_at(self) -> int:
        """Return a number that changes when a job gets its turn, or is no longer live."""
        ...

    # -- making and removing one -----------------------------------------------------------------------------------

    def claim(self, job_id: str) -> bool:
        """Take a job id; returns whether it was free.

        Raises:
            StateDirError: there is no room for it.
        """
        ...

    def identity_of(self, job_id: str) -> str:
        """Return a value that distinguishes a claimed job from copies of it, for example in a backup."""
        ...

    def keep(self, job_id: str, name: str, data: bytes) -> str:
        """Store bytes of a job in a file of this name, for its user alone; returns the file's path.

        Raises:
            StateDirError: the disk has no room for it.
        """
        ...

    def record(self, spec: Spec) -> None:
        """Record the spec of a job, unless it is on record already.

        Raises:
            StateDirError: it cannot be written; nothing of the job is left.
        """
        ...

    def mark_open(self, job_id: str) -> None:
        """Mark that a job has not ended, unless it is marked already."""
        ...

    def remove(self, job_id: str) -> bool:
        """Remove a job that is over, including its output; returns whether nothing of it is left."""
        ...

    # -- reading one -----------------------------------------------------------------------------------------------

    def spec(self, job_id: str) -> Spec | None:
        """Return the spec of a job, ``None`` if it is not on record.

        Raises:
            CorruptRecordError: it cannot be read.
        """
        ...

    def is_recorded(self, job_id: str) -> bool:
        """Tell whether a job's spec is on record, readable or not."""
        ...

    def is_over(self, job_id: str) -> bool:
        """Tell whether the end of a job is on record, or the job is gone: cheaper than a look at the job."""
        ...

    def log_extent(self, job_id: str) -> tuple[int, int]:
        """Return the offset of the oldest byte of the log that is kept, and the offset behind the newest."""
        ...

    def read_log(self, job_id: str, offset: int, limit: int, stream: Stream | None = None) -> Piece:
        """Read at most ``limit`` bytes of the log from an offset on."""
        ...

    def read_parts(self, job_id: str, offset: int, limit: int, stream: Stream | None) -> Parts:
        """Read at most ``limit`` bytes of one stream, or of both, each with its place and time."""
        ...

    def read_log_tail(self, job_id: str, limit: int, stream: Stream | None = None) -> Piece:
        """Read the last ``limit`` bytes of the log."""
        ...

    def missing(self, job_id: str, start: int, end: int) -> list[Gap]:
        """Return the gaps in the log between two offsets, without reading the log itself."""
        ...

    def entries(self, job_id: str, offset: int) -> list[Entry]:
        """Return chunks of output as they were written, from an offset on."""
        ...

    def offset_at(self, job_id: str, moment: float) -> int:
        """Return the offset of the first byte written at a moment (seconds since the epoch) or later."""
        ...

    def written_at(self, job_id: str, offset: int) -> float | None:
        """Return when a byte of the log was written (seconds since the epoch), ``None`` if that is unknown."""
        ...

    def last_output_at(self, job_id: str) -> float | None:
        """Return when the last byte was written (seconds since the epoch), ``None`` if none was."""
        ...

    def samples(self, job_id: str) -> list[Sample]:
        """Return the samples of a job's resource usage, oldest first."""
        ...

    def latest_samples(self, job_id: str, count: int) -> list[Sample]:
        """Return the newest of these samples, newest first."""
        ...

    def trouble_at_end(self, job_id: str) -> str | None:
        """Return why the command failed that was run at the end of a job, ``None`` if it did not fail."""
        ...

    def log_path(self, job_id: str) -> str:
        """Return the path of the log, for people and programs."""
        ...


class Place(Protocol):
    """A place where jobs run."""

    @property
    def name(self) -> str:
        """Its name, in answers and settings."""
        ...

    @property
    def store(self) -> Store:
        """The store of its jobs' files."""
        ...

    @property
    def is_apart(self) -> bool:
        """Whether its machines have neither the files nor the environment of this one."""
        ...

    def check(self, asked: str) -> None:
        """Check a job's wishes to the place, which stand behind the place's name.

        Raises:
            InvalidRequestError: a wish cannot be used.
        """
        ...

    async def launch(self, spec: Spec, *, wait_for_report: bool) -> Submitted:
        """Record the job, then start it or queue it. Launching the same id again changes nothing.

        A place with its own queue reports the job as queued once it is submitted.

        With ``wait_for_report`` this returns when the command runs or cannot be started. Otherwise it returns when the
        job is recorded, and the job's exit record shows a failure to start. If the caller is cancelled meanwhile, the
        launch goes on.

        Raises:
            StateDirError: the job could not be recorded.
            LaunchError: the job was recorded and could not be started.
        """
        ...

    def look(self, job_ids: Collection[str]) -> dict[str, Observation]:
        """Return the state of each of these jobs now; jobs without a trace are left out."""
        ...

    def has_runner(self, job_id: str) -> bool:
        """Tell whether a job has a runner: cheaper than a look at the job."""
        ...

    async def connect(self, job_id: str) -> Channel:
        """Connect to a job's runner.

        Raises:
            NoRunnerError: it has none: the job waits in the queue, is over, or is about to change to or from that.
            RunnerTimeoutError: the runner does not accept the connection.
        """
        ...

    async def cancel(self, job_id: str, request: StopRequest) -> Cancelled:
        """Stop a job, and confirm that nothing of it is left.

        Raises:
            RunnerSilentError: the job cannot be stopped from here.
            EngineUnreachableError: the engine that could stop it does not answer.
        """
        ...

    async def care(self, job_id: str) -> None:
        """Take care of a job whose runner died (``Observation.sweep``): end its remains, and record its end."""
        ...

    def care_later(self, job_id: str) -> None:
        """Do the same from the event loop, without waiting, and at most once at a time per job."""
        ...

    async def tend(self) -> None:
        """Begin to care for all jobs that need it. Cheap, so that a caller that waits for jobs may ask often."""
        ...

    async def serve(self) -> None:
        """Start the waiting jobs that may start now, in case no other process does."""
        ...

    def is_suspended(self, seen: Observation) -> bool:
        """Tell whether the command of a job that was just looked at waits for SIGCONT. Cheap; call it in a thread."""
        ...

    def usage_seen(self, job_id: str, seen: Observation) -> Usage | None:
        """Return the usage of a job that was just looked at, if reading it is cheap; otherwise ``usage`` may tell."""
        ...

    async def usage(self, job_id: str) -> Usage | None:
        """Return a job's resource usage; ``None`` if the job does not run, or the usage is unknown."""
        ...

    async def waits(self, job_id: str) -> Waits | None:
        """Return what a job does about its input; ``None`` if it does not run, or its runner does not answer."""
        ...

    async def port_is_open(self, job_id: str, port: int, address: str | None = None) -> bool:
        """Tell whether a process of the job is seen to listen on a TCP port, at one IP address or at any."""
        ...

    async def port_is_taken(self, job_id: str, port: int) -> bool:
        """Tell whether any process listens on a port of the machine where the job runs."""
        ...

    def look_again_s(self, seen: Observation | None) -> float:
        """Return the seconds after which another look at a job without a connection may show a change."""
        ...

    async def overview(self) -> Overview:
        """Return the resources of the place; this may take as long as the time limit for the engine's answer."""
        ...

    def health(self) -> str | None:
        """Return what is wrong with this place, ``None`` if nothing is."""
        ...

    async def start(self) -> None:
        """Prepare to launch many jobs quickly; without this, launching works too."""
        ...

    async def finish(self) -> None:
        """Wait for work that was begun without waiting for it."""
        ...

    def close(self) -> None:
        """Release what this process holds; jobs go on."""
        ...
