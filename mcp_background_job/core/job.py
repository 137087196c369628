"""A job as its record in the index holds it."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass
from typing import TypeAlias

from mcp_background_job.core.states import Outcome, State, status_of
from mcp_background_job.core.text import duration
from mcp_background_job.errors import InvalidRequestError

#: Letters and digits that are not mistaken for one another.
ID_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
ID_LENGTH = 5

_NEW_ID = re.compile(f"j[{ID_ALPHABET}]{{{ID_LENGTH}}}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job, without the facts that only a look at its directory gives.

    Times are seconds since the epoch.

    Attributes:
        job_id: its id.
        command: the command, cut at the end if it is long.
        cwd: its working directory.
        created_at: when it was recorded.
        state: where it is in its life.
        name: the user's name for it.
        client: the client that asked for it.
        outcome: how it ended, once it has.
        started_at: when its process was started.
        ended_at: when it ended.
        exit_code: of the command, if it exited.
        signal: the signal that ended the command, if one did.
        reason: why it ended so, in words.
        project: directory of the project that it was asked for in, empty if there was none.
        reader: the reader that is told of its end.
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
        """The one word that is shown for the job's state and outcome."""
        return status_of(self.state, self.outcome)

    @property
    def label(self) -> str:
        """How a sentence refers to the job: by its id, and by its name if it has one."""
        return f"{self.job_id} `{self.name}`" if self.name else self.job_id


#: When a job was created, and its id: lists of jobs are in the order of these, from the largest on.
Age: TypeAlias = tuple[float, str]

#: Ages that all jobs lie between.
NEWEST: Age = (math.inf, "")
OLDEST: Age = (-math.inf, "")


@dataclass(frozen=True, kw_only=True)
class JobChoice:
    """Which jobs are meant; a field that is left out allows any.

    Attributes:
        statuses: their status is one of these.
        name: they have this name.
        project: they belong to this project.
        cwd: they run in this directory, or below it.
        text: their name, id or command contains it; case does not matter.
        before: they are older than this.
        since: they are of this age or newer.
    """

    statuses: tuple[str, ...] = ()
    name: str | None = None
    project: str | None = None
    cwd: str | None = None
    text: str | None = None
    before: Age | None = None
    since: Age | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it chooses only by fields that an index holds."""
        return (self.text, self.before, self.since) == (None, None, None)

    def includes(self, job: Job) -> bool:
        """Tell whether a job is meant."""
        return (
            (not self.statuses or job.status in self.statuses)
            and self.name in (None, job.name)
            and self.project in (None, job.project)
            and (self.cwd is None or f"{job.cwd.rstrip('/')}/".startswith(f"{self.cwd.rstrip('/')}/"))
            and (self.text is None or self.text.lower() in f"{job.name or ''} {job.job_id} {job.command}".lower())
            and (self.before is None or age_of(job) < self.before)
            and (self.since is None or age_of(job) >= self.since)
        )


def age_of(job: Job) -> Age:
    """Return the place of a job in the order of lists."""
    return job.created_at, job.job_id


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
    # A sentence must not tell of a success if an exit code of 0 hides a failure.
    but = f", but {job.reason}" if job.outcome is Outcome.COMPLETED and has_more_to_tell(job) else ""
    return f"{job.label} {job.status}{end}{but}"


def has_more_to_tell(job: Job) -> bool:
    """Tell whether a job's reason says more than its status and exit code."""
    return bool(job.reason) and not job.reason.startswith("exit code")


def ending(job: Job) -> str:
    """Return the sentence that says that a job has ended."""
    ago = duration(time.time() - job.ended_at) if job.ended_at else "some time"
    return f"{how_it_ended(job)}, {ago} ago"
