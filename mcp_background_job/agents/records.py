"""The JSON records of a run: the request, how far its events are written, and the wish to cancel it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

from mcp_background_job.core.run import TERMINAL, RunStatus
from mcp_background_job.jobdir import plain
from mcp_background_job.jobdir.records import write


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """The request for a run; written once.

    Attributes:
        run_id: its id, and the name of its directory.
        job_id: id of its job.
        backend: the adapter that speaks with the agent.
        role: planner, worker or reviewer.
        agent_name: the caller's name for the agent.
        session_id: our id of the session; runs that continue one another share it.
        session_mode: ``new`` or ``resume``.
        cwd: the workspace.
        created_at: seconds since the epoch.
        client: the client that asked for it.
        metadata: as the caller gave it.
        output_schema: as the caller gave it.
        config: ``backend_config`` as the caller gave it; may hold secrets.
        resume: the agent's own id of the session that the run resumes.
        resumed_from_run_id: the run that this one continues.
        timeout_s: its time limit.
        idle_timeout_s: its limit on silence.
        leftovers: what happens to processes that outlive the agent: ``kill`` or ``report``.
        keeps_stdin: whether the agent can be answered.
        project: the project in which it was asked for, a directory or a name; empty if there was none.
        reader: the reader who gets its news.
        parent: id of the job in whose process it was asked for.
        parent_run_id: the run that this job is, or runs within.
        prompt: the task, without its end if it is long.
        polite_signal: the signal on which the agent ends most cleanly.
        grace_s: seconds that the agent has to end after that signal.
        full_access: whether it may do everything, unasked and without a sandbox, for whatever reason in ``config``.
    """

    run_id: str
    job_id: str
    backend: str
    role: str
    agent_name: str
    session_id: str
    session_mode: str
    cwd: str
    created_at: float
    client: str = ""
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    output_schema: dict[str, Any] | None = None
    config: dict[str, Any] = field(default_factory=dict[str, Any])
    resume: str | None = None
    resumed_from_run_id: str | None = None
    timeout_s: float | None = None
    idle_timeout_s: float | None = None
    leftovers: str = "kill"
    keeps_stdin: bool = False
    project: str = ""
    reader: str = ""
    parent: str | None = None
    parent_run_id: str | None = None
    prompt: str = ""
    polite_signal: str = "TERM"
    grace_s: float = 1.0
    full_access: bool = False


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """How far the job's log was read, and the state of the run that follows.

    Attributes:
        offset: the offset in the log where the next reader continues.
        skip: the bytes that the line splitter is leaving out there: count and reason.
        parser: the parser's state there.
        seq: number of the last event.
        events_bytes: length of the events file; anything beyond it is unfinished and is cut off.
        artifact_bytes: size of all artifacts.
        unkept_events: events that were left out, since there were too many.
        status: status of the run.
        started_at: when the agent was started (seconds since the epoch).
        updated_at: when the last event happened.
        summary: the agent's last message, in one line.
        backend_session: the agent's own id of its session.
        remote: facts about a remote agent: task, context, address.
        request: number, type and data of the open permission request or question; ``None`` once it is answered.
        end: the data of the last event, once the run is over.
        is_tidy: whether its temporary directory was removed.
        stderr: how far stderr was read and reported.
    """

    offset: int = 0
    skip: list[Any] | None = None
    parser: dict[str, Any] | None = None
    seq: int = 0
    events_bytes: int = 0
    artifact_bytes: int = 0
    unkept_events: int = 0
    status: RunStatus = RunStatus.QUEUED
    started_at: float | None = None
    updated_at: float = 0.0
    summary: str = ""
    backend_session: str | None = None
    remote: dict[str, Any] = field(default_factory=dict[str, Any])
    request: dict[str, Any] | None = None
    end: dict[str, Any] | None = None
    is_tidy: bool = False
    stderr: dict[str, Any] | None = None

    @property
    def is_over(self) -> bool:
        """Whether no event will be added."""
        return self.status in TERMINAL


@dataclass(frozen=True, kw_only=True)
class CancelIntent:
    """The wish to cancel a run: when (seconds since the epoch), and by whom."""

    at: float
    by: str


Record = TypeVar("Record", RunRecord, Checkpoint, CancelIntent)


def encode(record: RunRecord | Checkpoint | CancelIntent) -> bytes:
    """Return a record as it stands on disk."""
    return plain.encode(record)


def read(kind: type[Record], path: str) -> Record | None:
    """Read a record, ``None`` if it does not exist; fields of newer releases are ignored.

    Raises:
        CorruptRecordError: the file exists and is not such a record.
    """
    return plain.read(kind, path, status=RunStatus)


def store(path: str, record: RunRecord | Checkpoint | CancelIntent) -> None:
    """Write a record (mode 0600): a reader sees the old one or the new one."""
    write(path, encode(record))


def store_first(path: str, record: CancelIntent) -> CancelIntent:
    """Write a record unless there is one already; returns the one that counts.

    Raises:
        CorruptRecordError: the existing one is unreadable.
    """
    plain.write_first(path, encode(record))
    return read(CancelIntent, path) or record
