"""What tasks are on the wire."""

from __future__ import annotations

import time
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mcp_background_job.actions.later import Question
from mcp_background_job.core.wire import utf8
from mcp_background_job.jobdir.tasks import TaskEnd, TaskRecord
from mcp_background_job.server.fastmcp_names import RequestParams
from mcp_background_job.server.tasks.status import TaskStatus

#: Between two questions of a client that is not told: half of it, on average, is most of what passes between an end and
#: the wake of a model. A look takes milliseconds.
POLL_MS = 500

_MS = 1000


class TaskId(RequestParams):
    """Which task is meant."""

    model_config = ConfigDict(populate_by_name=True)
    task_id: str = Field(alias="taskId")


class Update(TaskId):
    """Answers to what a task has asked, by the keys of the questions."""

    input_responses: dict[str, Any] = Field(alias="inputResponses")


class Created(BaseModel):
    """A task, in place of the result of a call."""

    result_type: str = Field(default="task", serialization_alias="resultType")
    task_id: str = Field(serialization_alias="taskId")
    status: str
    status_message: str | None = Field(default=None, serialization_alias="statusMessage")
    created_at: str = Field(serialization_alias="createdAt")
    last_updated_at: str = Field(serialization_alias="lastUpdatedAt")
    ttl_ms: int = Field(serialization_alias="ttlMs")
    poll_interval_ms: int = Field(default=POLL_MS, serialization_alias="pollIntervalMs")


def task(record: TaskRecord, status: TaskStatus, message: str, *, changed_at: float, keep_s: float) -> dict[str, Any]:
    """Return what is said of any task.

    Args:
        record: of the task.
        status: it has.
        message: in words.
        changed_at: when it last gave a sign (seconds since the epoch).
        keep_s: seconds for which it is kept after somebody has asked for it, as now.
    """
    return {
        "taskId": utf8(record.task_id),
        "status": status.value,
        **({"statusMessage": utf8(message)} if message else {}),
        "createdAt": _iso(record.created_at),
        "lastUpdatedAt": _iso(max(record.created_at, changed_at)),
        "ttlMs": round((max(0.0, time.time() - record.created_at) + keep_s) * _MS),
        "pollIntervalMs": POLL_MS,
    }


def payload(end: TaskEnd) -> dict[str, Any]:
    """Return what is said beside of a task that has ended."""
    if end.result is not None:
        return {"result": end.result}
    return {"error": end.error} if end.error is not None else {}


def input_requests(key: str, question: Question) -> dict[str, Any]:
    """Return a question as a form for a person."""
    schema = {"type": "object", "properties": question.fields, "required": list(question.required)}
    form = {"mode": "form", "message": utf8(question.text), "requestedSchema": schema}
    return {"inputRequests": {key: {"method": "elicitation/create", "params": form}}}


def _iso(at: float) -> str:
    from datetime import UTC, datetime  # noqa: PLC0415  the handshake does without

    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
