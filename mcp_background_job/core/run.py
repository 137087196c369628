"""The life of an agent run, in one table, and the types of its events.

    queued ──▶ running ──▶ completed | failed | cancelled | rejected
                 │  ▲
                 ▼  │
      input_required, auth_required

The names are those of the orchestration server that first had these tools; see ``docs/reference/runs.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

#: Kinds of agents, as ``backend`` names them.
Backend = Literal["codex", "claude_code", "gemini", "antigravity", "opencode", "command", "acp", "remote_a2a"]

#: The part that an agent plays for its caller.
Role = Literal["planner", "worker", "reviewer"]


class RunStatus(StrEnum):
    """The stage of its life that a run is in."""

    QUEUED = "queued"  #: recorded; its job has not started
    RUNNING = "running"
    INPUT_REQUIRED = "input_required"  #: it asks for a permission or an answer
    AUTH_REQUIRED = "auth_required"  #: it asks for a login
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"  #: the agent refused the work


#: Each status, and the statuses that may follow it.
TRANSITIONS: dict[RunStatus, frozenset[RunStatus]] = {
    RunStatus.QUEUED: frozenset(RunStatus) - {RunStatus.QUEUED},
    RunStatus.RUNNING: frozenset(RunStatus) - {RunStatus.QUEUED, RunStatus.RUNNING},
    RunStatus.INPUT_REQUIRED: frozenset(RunStatus) - {RunStatus.QUEUED, RunStatus.INPUT_REQUIRED},
    RunStatus.AUTH_REQUIRED: frozenset(RunStatus) - {RunStatus.QUEUED, RunStatus.AUTH_REQUIRED},
    RunStatus.COMPLETED: frozenset(),
    RunStatus.FAILED: frozenset(),
    RunStatus.CANCELLED: frozenset(),
    RunStatus.REJECTED: frozenset(),
}

#: Statuses that never change again.
TERMINAL = frozenset(status for status, following in TRANSITIONS.items() if not following)


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """A run as the index holds it: the fields that lists choose by.

    Attributes:
        run_id: its id.
        backend: kind of agent.
        agent_name: the caller's name for the agent.
        session_id: this program's id of the session.
        cwd: the workspace.
        created_at: when it was asked for (seconds since the epoch).
        status: how it ended, ``None`` while it may change.
        project: the project that it belongs to; empty for none.
    """

    run_id: str
    backend: str
    agent_name: str
    session_id: str
    cwd: str
    created_at: float
    status: str | None = None
    project: str = ""


@dataclass(frozen=True, kw_only=True)
class RunChoice:
    """Which runs are meant: those with all of these values; ``None`` allows any."""

    status: str | None = None
    backend: str | None = None
    agent_name: str | None = None
    session_id: str | None = None
    cwd: str | None = None
    project: str | None = None


class EventType(StrEnum):
    """The kinds of events."""

    RUN_STARTED = "run_started"
    STATUS_CHANGED = "status_changed"
    AGENT_MESSAGE = "agent_message"
    MESSAGE_ADDED = "message_added"
    REASONING = "reasoning"
    COMMAND_STARTED = "command_started"
    COMMAND_UPDATED = "command_updated"
    COMMAND_FINISHED = "command_finished"
    FILE_CHANGED = "file_changed"
    TOOL_STARTED = "tool_started"
    TOOL_FINISHED = "tool_finished"
    ARTIFACT_ADDED = "artifact_added"
    TODO_UPDATED = "todo_updated"
    INPUT_REQUIRED = "input_required"
    AUTH_REQUIRED = "auth_required"
    REJECTED = "rejected"
    RUN_COMPLETED = "run_completed"
    RUN_FAILED = "run_failed"
