"""The JSON records of a run: what was asked, how far its events are written, the wish that it be cancelled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

from mcp_background_job.core.run import TERMINAL, RunStatus
from mcp_background_job.jobdir import plain
from mcp_background_job.jobdir.records import write


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What was asked; written once.

    Attributes:
        run_id: its id, and the name of its directory.
        job_id: of the job that it is.
        backend: which adapter speaks with the agent.
        role: planner, worker or reviewer.
        agent_name: the caller's name for the agent.
        session_id: our id of the session; runs that continue one another share it.
        session_mode: ``new`` or ``resume``.
        cwd: the workspace.
        created_at: seconds since the epoch.
        client: who asked.
        metadata: as the caller gave it.
        output_schema: as the caller gave it.
        config: ``backend_config`` as the caller gave it; may hold secrets.
        resume: the agent's own session id that it goes on with.
        resumed_from_run_id: the run that it goes on from.
        timeout_s: its time limit.
        idle_timeout_s: its limit for silence.
        leftovers: what becomes of processes that outlive the agent: ``kill`` or ``report``.
        keeps_stdin: the agent can be answered.
        project: that it was asked for in, a directory or a name; empty if there was none.
        reader: who is to be told of it.
        parent: id of the job in whose process it was asked for.
        parent_run_id: the run that this job is, or runs within.
        prompt: the task, without its end if it is long.
        polite_signal: the signal that ends it best.
        grace_s: how long it is given for that.
        full_access: it may do everything, unasked and without a sandbox, whatever in ``config`` says so.
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
    """How far the job's log was read, and what follows from it.

    Attributes:
        offset: in the log, from which the next reader goes on.
        skip: what the line splitter is leaving out there: count and why.
        parser: the parser's state there.
        seq: of the last event.
        events_bytes: length of the events file; what stands beyond was not finished and is cut off.
        artifact_bytes: of all artifacts.
        unkept_events: events that were left out, since there were too many.
        status: the run's.
        started_at: when the agent was started (seconds since the epoch).
        updated_at: when the last event happened.
        summary: the last that the agent said.
        backend_session: the agent's own id of its session.
        remote: what is known of an agent elsewhere: task, context, address.
        request: number, type and data of the event that asks for a permission or an answer, until it is answered.
        end: the data of the last event, once the run is over.
        is_tidy: its temporary directory was removed.
        stderr: how far stderr was read, which is told now and then.
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
        """Whether nothing will be added."""
        return self.status in TERMINAL


@dataclass(frozen=True, kw_only=True)
class CancelIntent:
    """The wish that a run be cancelled: when (seconds since the epoch), and by whom."""

    at: float
    by: str


Record = TypeVar("Record", RunRecord, Checkpoint, CancelIntent)


def encode(record: RunRecord | Checkpoint | CancelIntent) -> bytes:
    """Return a record as it stands on disk."""
    return plain.encode(record)


def read(kind: type[Record], path: str) -> Record | None:
    """Read a record, ``None`` if it is not there; fields of newer releases are passed over.

    Raises:
        CorruptRecordError: it is there and is not such a record.
    """
    return plain.read(kind, path, status=RunStatus)


def store(path: str, record: RunRecord | Checkpoint | CancelIntent) -> None:
    """Write a record: a reader sees the old one or the new one. Mode 0600."""
    write(path, encode(record))


def store_first(path: str, record: CancelIntent) -> CancelIntent:
    """Write a record unless there is one already; returns the one that stands.

    Raises:
        CorruptRecordError: there is one that cannot be read.
    """
    plain.write_first(path, encode(record))
    return read(CancelIntent, path) or record
