"""A job as its record in the index has it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from mcp_background_job.core.states import Outcome, State, status_of
from mcp_background_job.core.text import duration
from mcp_background_job.errors import InvalidRequestError

#: Letters and digits that cannot be taken for one another.
ID_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
ID_LENGTH = 5

_NEW_ID = re.compile(f"j[{ID_ALPHABET}]{{{ID_LENGTH}}}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job, without what only a look at its directory can tell.

    Times are seconds since the epoch.

    Attributes:
        job_id: its id.
        command: what was asked for, without its end if it is long.
        cwd: where.
        created_at: when.
        state: where it is in its life.
        name: the user's name for it.
        client: who asked.
        outcome: how it ended, once it has.
        started_at: when its process was started.
        ended_at: when it ended.
        exit_code: of the command, if it exited.
        signal: that ended the command, if one did.
        reason: in words, why it ended so.
        project: directory of the project that it was asked for in, empty if there was none.
        reader: who is to be told of its end.
        parent: id of the job in whose process it was asked for.
        is_own: it is this program's own (ComfyUI, a feeder).
        timeout_s: its time limit, in seconds.
    """

    job_id: str
    command: str
    cwd: str
    created_at: float
    state: State
    name: str | None = None
    client: str = ""
    outcome: Outcome | None = None
    started_at: float | None = None
    ended_at: float | None = None
    exit_code: int | None = None
    signal: str | None = None
    reason: str = ""
    project: str = ""
    reader: str = ""
    parent: str | None = None
    is_own: bool = False
    timeout_s: float | None = None

    @property
    def status(self) -> str:
        """The one word that is shown for its state and outcome."""
        return status_of(self.state, self.outcome)

    @property
    def label(self) -> str:
        """How a sentence refers to it: its id, and its name if it has one."""
        return f"{self.job_id} `{self.name}`" if self.name else self.job_id


@dataclass(frozen=True, kw_only=True)
class JobChoice:
    """Which jobs are meant; what is left out is any.

    Attributes:
        statuses: they have one of these.
        name: they have this.
        project: they belong to this.
        cwd: they run in this directory, or below it.
        text: it stands in their name, id or command, in capitals or small letters.
        before: they come behind this moment and id in the order of lists: they are older.
    """

    statuses: tuple[str, ...] = ()
    name: str | None = None
    project: str | None = None
    cwd: str | None = None
    text: str | None = None
    before: tuple[float, str] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it chooses only by what an index holds."""
        return self.text is None and self.before is None

    def includes(self, job: Job) -> bool:
        """Tell whether a job is meant."""
        return (
            (not self.statuses or job.status in self.statuses)
            and self.name in (None, job.name)
            and self.project in (None, job.project)
            and (self.cwd is None or f"{job.cwd.rstrip('/')}/".startswith(f"{self.cwd.rstrip('/')}/"))
            and (self.text is None or self.text.lower() in f"{job.name or ''} {job.job_id} {job.command}".lower())
            and (self.before is None or (job.created_at, job.job_id) < self.before)
        )


#: All jobs.
ANY = JobChoice()


def check_name(name: str) -> str:
    """Return the name.

    Raises:
        InvalidRequestError: it is not a name.
    """
    if _NEW_ID.fullmatch(name):
        raise InvalidRequestError(
            f"name {name!r} cannot be used: it has the form of a job's id, and would be taken for one; give another"
        )
    if not _NAME.fullmatch(name):
        raise InvalidRequestError(
            f"name {name!r} cannot be used: 1 to 64 letters, digits, dots, hyphens and underscores, "
            "beginning with a letter or digit"
        )
    return name


def how_it_ended(job: Job) -> str:
    """Return in words how a job has ended, without the time."""
    end = f", exit {job.exit_code}" if job.exit_code else ""
    # An exit code of 0 that hides a failure is not told as a success.
    but = f", but {job.reason}" if job.outcome is Outcome.COMPLETED and has_more_to_tell(job) else ""
    return f"{job.label} {job.status}{end}{but}"


def has_more_to_tell(job: Job) -> bool:
    """Tell whether a job's reason says more than its status and exit code."""
    return bool(job.reason) and not job.reason.startswith("exit code")


def ending(job: Job) -> str:
    """Return the sentence that tells that a job has ended."""
    ago = duration(time.time() - job.ended_at) if job.ended_at else "some time"
    return f"{how_it_ended(job)}, {ago} ago"
