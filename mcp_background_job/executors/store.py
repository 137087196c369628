"""The store of one place's jobs, in a directory with the layout of ``jobdir.layout``."""

from __future__ import annotations

import contextlib
import functools
import os
import stat
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar, cast

from mcp_background_job.errors import CorruptRecordError, StateDirError
from mcp_background_job.jobdir import marks, modes, records
from mcp_background_job.jobdir.layout import JobDir, StateDir, is_job_id
from mcp_background_job.jobdir.read_only import unless_read_only
from mcp_background_job.jobdir.records import Spec

if TYPE_CHECKING:
    from mcp_background_job.core.output.gaps import Gap
    from mcp_background_job.jobdir.log.format import Stream
    from mcp_background_job.jobdir.log.reader import Entry, Parts, Piece
    from mcp_background_job.jobdir.usage import Sample


_Method = TypeVar("_Method", bound=Callable[..., Any])  # as a whole: `Concatenate` would lose the names of arguments


def _despite_modes(read: _Method) -> _Method:
    """Make a method read files even if a job has made them unreadable."""

    @functools.wraps(read)
    def reads(self: DirectoryStore, job_id: str, *arguments: Any, **options: Any) -> Any:
        try:
            return read(self, job_id, *arguments, **options)
        except PermissionError:
            modes.restore(self.job(job_id))
            return read(self, job_id, *arguments, **options)

    return cast("_Method", reads)


class DirectoryStore:
    """Reads and writes job directories; see ``Store`` for the rest."""

    #: The setting that names another directory.
    variable = "MCP_BG_STATE_DIR"

    def __init__(self, state: StateDir) -> None:
        """Takes the directory; ``prepare`` makes it."""
        self.state = state

    def prepare(self) -> None:
        """Make the state directory, and check that only this user can use it."""
        state = self.state
        try:
            os.makedirs(state.path, mode=0o700, exist_ok=True)
            owner = os.stat(state.path).st_uid
            if owner != os.geteuid():
                raise StateDirError(
                    f"the state directory {state.path} belongs to user {owner}, not to {os.geteuid()}: "
                    f"set {self.variable} to a directory of your own"
                )
            with unless_read_only():
                os.chmod(state.path, 0o700)
            for directory in (state.jobs, state.open, state.queue, state.order, state.claims):
                os.makedirs(directory, mode=0o700, exist_ok=True)
                with unless_read_only():
                    os.chmod(directory, 0o700)  # a job may have removed these modes
            for path in (state.order_lock, state.queue_lock, state.names_lock):
                with unless_read_only():
                    records.touch(path)
        except OSError as error:
            raise StateDirError(
                f"the state directory {state.path} cannot be used: {error.strerror}; set {self.variable} to another"
            ) from error

    def health(self) -> str | None:
        """Return what is wrong with the state directory, ``None`` if nothing is."""
        if not os.access(self.state.jobs, os.R_OK | os.W_OK | os.X_OK):
            return f"the state directory {self.state.path} cannot be written"
        return None

    def job(self, job_id: str) -> JobDir:
        """Return the paths of a job."""
        return self.state.job(job_id)

    # -- which jobs there are --------------------------------------------------------------------------------------

    def has(self, job_id: str) -> bool:
        """Tell whether the job's directory exists."""
        return os.path.isdir(f"{self.state.jobs}/{job_id}")

    def discover(self) -> set[str]:
        """List the directories."""
        return set(self.scan())

    def scan(self) -> Iterator[str]:
        """Iterate over the directories while they are listed."""
        with contextlib.suppress(FileNotFoundError), os.scandir(self.state.jobs) as entries:
            yield from (entry.name for entry in entries if is_job_id(entry.name))

    def open_jobs(self) -> list[str]:
        """List the marks."""
        return marks.open_jobs(self.state)

    def corrected(self) -> set[str]:
        """Return nothing: here a job is over when its runner's lock is free."""
        return set()

    def marks_changed_at(self) -> int:
        """Return the time stamp of the directory of marks."""
        try:
            return os.stat(self.state.open).st_mtime_ns
        except FileNotFoundError:
            return 0

    def changed_at(self, job_id: str) -> int | None:
        """Return the time stamp of a job's directory."""
        try:
            facts = os.stat(f"{self.state.jobs}/{job_id}")  # done for each live job at every look
        except (FileNotFoundError, NotADirectoryError):
            return None
        return facts.st_mtime_ns if stat.S_ISDIR(facts.st_mode) else None

    def jobs_changed_at(self) -> int:
        """Return the time stamp of the directory of jobs."""
        try:
            return os.stat(self.state.jobs).st_mtime_ns
        except OSError as error:
            raise StateDirError(
                f"the state directory {self.state.path} is no longer there ({error.strerror}), and its jobs with it"
            ) from error

    # -- making and removing one -----------------------------------------------------------------------------------

    def claim(self, job_id: str) -> bool:
        """Take a job id by making its directory."""
        try:
            os.mkdir(self.job(job_id).path, 0o700)
        except FileExistsError:
            return False
        except OSError as error:
            raise StateDirError(f"cannot make a job directory in {self.state.jobs}: {error.strerror}") from error
        return True

    def identity_of(self, job_id: str) -> str:
        """Return a value that distinguishes a job's directory from copies of it."""
        return self.job(job_id).identity()

    def keep(self, job_id: str, name: str, data: bytes) -> str:
        """Write a file into a job's directory; if the disk has no room, the job is removed."""
        path = os.path.join(self.job(job_id).path, name)
        try:
            records.write(path, data)
        except OSError as error:
            self.remove(job_id)
            raise StateDirError(f"cannot write {path}: {error.strerror}") from error
        return path

    def record(self, spec: Spec) -> None:
        """Write ``spec.json``, then mark the job as open."""
        job = self.job(spec.job_id)
        if os.path.exists(job.spec):
            return
        try:
            os.makedirs(job.path, mode=0o700, exist_ok=True)
            records.write_spec(job, spec)
            marks.mark_open(self.state, marks.waiting_of(spec))
        except OSError as error:
            self.unrecord(spec.job_id)
            raise StateDirError(f"cannot record a job in {self.state.path}: {error.strerror}") from error

    def unrecord(self, job_id: str) -> None:
        """Remove a job that never ran from record."""
        with contextlib.suppress(OSError):  # the earlier error is the one to report
            os.unlink(self.state.open_mark(job_id))
        self.remove(job_id)

    def mark_open(self, job_id: str) -> None:
        """Make the mark that a job has not ended."""
        records.touch(self.state.open_mark(job_id))

    def remove(self, job_id: str) -> bool:
        """Remove a job's directory."""
        import shutil  # noqa: PLC0415  it loads all kinds of archives, and most commands remove nothing

        path = self.job(job_id).path
        shutil.rmtree(path, ignore_errors=True)
        return not os.path.exists(path)

    # -- reading one -----------------------------------------------------------------------------------------------

    def is_queued(self, job_id: str) -> bool:
        """Tell whether a job is marked as waiting for its turn."""
        return os.path.exists(self.state.queue_mark(job_id))

    def waiting(self) -> set[str]:
        """Return the ids that are marked as waiting for their turn, and as not ended."""
        return set(marks.queued_jobs(self.state)).intersection(marks.open_jobs(self.state))

    def queue_changed_at(self) -> int:
        """Return when a mark was last made or removed: nanoseconds since the epoch."""
        try:
            return max(self.marks_changed_at(), os.stat(self.state.queue).st_mtime_ns)
        except FileNotFoundError:
            return 0

    def spec(self, job_id: str) -> Spec | None:
        """Read ``spec.json``."""
        job = self.job(job_id)
        try:
            return records.read(Spec, job.spec)
        except CorruptRecordError:
            if not modes.restore(job):
                raise
            return records.read(Spec, job.spec)

    def is_recorded(self, job_id: str) -> bool:
        """Tell whether there is a ``spec.json``."""
        return os.path.exists(self.job(job_id).spec)

    def is_over(self, job_id: str) -> bool:
        """Tell whether there is an exit record, or no directory."""
        job = self.job(job_id)
        return job.has_exit or not os.path.exists(job.path)

    @_despite_modes
    def log_extent(self, job_id: str) -> tuple[int, int]:
        """Look at the log's header and size."""
        from mcp_background_job.jobdir.log import reader  # noqa: PLC0415  much that is about no output does without

        return reader.extent(self.job(job_id))

    @_despite_modes
    def read_log(self, job_id: str, offset: int, limit: int, stream: Stream | None = None) -> Piece:
        """Read at most ``limit`` bytes of the log from an offset on."""
        from mcp_background_job.jobdir.log import reader  # noqa: PLC0415  much that is about no output does without

        return reader.read(self.job(job_id), offset, limit, stream)

    @_despite_modes
    def read_parts(self, job_id: str, offset: int, limit: int, stream: Stream | None) -> Parts:
        """Read at most ``limit`` bytes of one stream, or of both, each with its place and time."""
        from mcp_background_job.jobdir.log import reader  # noqa: PLC0415  much that is about no output does without

        return reader.read_parts(self.job(job_id), offset, limit, stream)

    @_despite_modes
    def read_log_tail(self, job_id: str, limit: int, stream: Stream | None = None) -> Piece:
        """Read the last ``limit`` bytes of the log."""
        from mcp_background_job.jobdir.log import reader  # noqa: PLC0415  much that is about no output does without

        return reader.read_tail(self.job(job_id), limit, stream)

    @_despite_modes
    def missing(self, job_id: str, start: int, end: int) -> list[Gap]:
        """Return the gaps in the log between two offsets, without reading the log itself."""
        from mcp_background_job.jobdir.log import reader  # noqa: PLC0415  much that is about no output does without

        return reader.missing(self.job(job_id), start, end)

    @_despite_modes
    def entries(self, job_id: str, offset: int) -> list[Entry]:
        """Return chunks of output from the log's index."""
        from mcp_background_job.jobdir.log import reader  # noqa: PLC0415  much that is about no output does without

        return reader.entries(self.job(job_id), offset)

    @_despite_modes
    def offset_at(self, job_id: str, moment: float) -> int:
        """Look a moment up in the log's index."""
        from mcp_background_job.jobdir.log import reader  # noqa: PLC0415  much that is about no output does without

        return reader.offset_at(self.job(job_id), moment)

    def written_at(self, job_id: str, offset: int) -> float | None:
        """Look an offset up in the log's index."""
        from mcp_background_job.jobdir.log import reader  # noqa: PLC0415  much that is about no output does without

        return reader.written_at(self.job(job_id), offset)

    def last_output_at(self, job_id: str) -> float | None:
        """Return when the log was last written to."""
        try:
            facts = os.stat(self.job(job_id).log)
        except FileNotFoundError:
            return None
        return facts.st_mtime

    def samples(self, job_id: str) -> list[Sample]:
        """Read ``usage.bin``."""
        from mcp_background_job.jobdir import usage  # noqa: PLC0415  only who draws curves asks

        return usage.read(self.job(job_id).usage)

    def latest_samples(self, job_id: str, count: int) -> list[Sample]:
        """Read the end of ``usage.bin``."""
        from mcp_background_job.jobdir import usage  # noqa: PLC0415  likewise

        return usage.latest(self.job(job_id).usage, count)

    def trouble_at_end(self, job_id: str) -> str | None:
        try:
            with open(self.job(job_id).on_end_trouble, errors="replace") as file:
                return file.read().strip()
        except OSError:
            return None

    def log_path(self, job_id: str) -> str:
        """Return the path of the newest segment of the log."""
        return self.job(job_id).log
