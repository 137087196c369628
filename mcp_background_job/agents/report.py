"""Results of calls as plain objects: a tool returns them, and ``--json`` prints them.

The field names are those of the orchestration tools; our own fields come after theirs, and only if they have a value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mcp_background_job.agents.events.projection import iso
from mcp_background_job.agents.life.results import Cancelled, Continued, Listed, Piece, Polled, Run
from mcp_background_job.agents.mail.post import Agent, Received, Sent
from mcp_background_job.agents.records import Checkpoint, RunRecord
from mcp_background_job.agents.runs import is_resumable
from mcp_background_job.core.job import Job
from mcp_background_job.core.states import Outcome
from mcp_background_job.core.text import one_line

Report = dict[str, Any]

_RESULT = ("final_response", "omitted_characters", "structured_output", "usage", "artifact_refs")

#: Fields of the last event that a report repeats beside the result: its reader has not read the events.
_END = ("error", "reason", "by", "exit_code", "signal", "stderr", "leftover_pids", "ended_with")


#: Characters of a task in a list.
_PROMPT_IN_LIST = 100


def of_spawn(run: Run) -> Report:
    """Return the report on a run that was just started."""
    record = run.record
    return {
        "run_id": record.run_id,
        "backend": record.backend,
        "role": record.role,
        "session_id": record.session_id,
        "agent_name": record.agent_name,
        "status": run.state.status.value,
    }


def of_run(run: Run) -> Report:
    """Return everything that is known of a run."""
    record, state = run.record, run.state
    end = state.end or {}
    extra: Report = {
        "job_id": record.job_id,
        "created_at": iso(record.created_at),
        **_asked(record),
        "completed_at": iso(state.updated_at) if state.is_over else None,
        **{key: end.get(key) for key in _END},
        "result": {key: end[key] for key in _RESULT if key in end} or None,
        "pending_request": state.request,
        "note": "its agent has ended; what it said is still being read" if run.is_behind else run.waits_for,
        "resumable": is_resumable(record, state) or None,
        "resumed_from_run_id": record.resumed_from_run_id,
    }
    return {
        **of_spawn(run),
        "started_at": None if state.started_at is None else iso(state.started_at),
        "updated_at": iso(state.updated_at or record.created_at),
        "summary": state.summary or f"Run {state.status.value}",
        "last_seq": state.seq,
        "cwd": record.cwd,
        "metadata": record.metadata,
        "remote_ref": _remote(record, state),
        **{key: value for key, value in extra.items() if value is not None},
    }


def _asked(record: RunRecord) -> Report:
    """Return the request of a run."""
    command = record.config.get("command")
    return {
        "prompt": record.prompt or None,
        "model": record.config.get("model"),
        "command": command if command is None or isinstance(command, str) else list(command),
        "full_access": record.full_access or record.config.get("full_access"),
        "parent": record.parent,
        "parent_run_id": record.parent_run_id,
    }


def of_list(listed: Listed) -> Report:
    """Return several runs, where the next ones begin, and how many runs there are in other projects."""
    more = {} if listed.next_offset is None else {"next_cursor": listed.next_offset}
    elsewhere = {"elsewhere": listed.elsewhere} if listed.elsewhere else {}
    runs = [of_run(run) for run in listed.runs]
    for row in runs:
        if "prompt" in row:
            row["prompt"] = one_line(row["prompt"], _PROMPT_IN_LIST)
    return {"runs": runs, **more, **elsewhere}


def of_poll(polled: Polled) -> Report:
    """Return events in their reported form, each with its run."""
    record, state = polled.run.record, polled.run.state
    whose = {"run_id": record.run_id, "session_id": record.session_id, "backend": record.backend}
    return {
        "run_id": record.run_id,
        "status": state.status.value,
        "events": [
            {"seq": event["seq"], "ts": event["ts"], **whose, "type": event["type"], "data": event["data"]}
            for event in polled.events
        ],
        "next_after_seq": polled.next_after_seq,
    }


def of_cancel(cancelled: Cancelled) -> Report:
    """Return the result of a request to cancel."""
    run, stopped = cancelled.run, cancelled.stopped
    ended_with = [_ended_with(job, stopped.runs) for job in stopped.ended_with]
    return {
        "run_id": run.record.run_id,
        "status": run.state.status.value,
        "cancelled_at": iso(cancelled.at),
        "stopped": not stopped.leftover,
        "escalation": stopped.escalation,
        "killed_pids": list(stopped.killed),
        "leftover_pids": list(stopped.leftover),
        **({"ended_with": ended_with} if ended_with else {}),
    }


def _ended_with(job: Job, runs: dict[str, str]) -> Report:
    known = {"job_id": job.job_id, "status": job.status, "reason": job.reason}
    if job.job_id not in runs:
        return known
    # A run whose job was stopped counts as cancelled.
    return {"run_id": runs[job.job_id], **known, "status": "cancelled" if job.outcome is Outcome.KILLED else job.status}


def of_continue(continued: Continued) -> Report:
    """Return the run that goes on."""
    run = continued.run
    report = {
        "run_id": run.record.run_id,
        "status": run.state.status.value,
        "session_id": run.record.session_id,
        "agent_name": run.record.agent_name,
        "mode": continued.mode,
    }
    if run.record.resumed_from_run_id and continued.mode == "resume":
        report["resumed_from_run_id"] = run.record.resumed_from_run_id
    return report


def of_agents(agents: Sequence[Agent]) -> Report:
    """Return the agents that can be written to."""
    return {
        "agents": [
            {
                "agent_name": agent.run.record.agent_name,
                "role": agent.run.record.role,
                "session_id": agent.run.record.session_id,
                "status": agent.run.state.status.value,
                "cwd": agent.run.record.cwd,
                "last_run_id": agent.run.record.run_id,
                "updated_at": iso(agent.run.state.updated_at or agent.run.record.created_at),
                "unfetched": agent.unfetched,
            }
            for agent in agents
        ]
    }


def of_sent(sent: Sent) -> Report:
    """Return where a sent message is, and the status of its receiver."""
    return {
        "message_id": sent.message_id,
        "to_agent_name": sent.to.record.agent_name,
        "to_session_id": sent.to.record.session_id,
        "seq": sent.seq,
        "created_at": iso(sent.created_at),
        "to_status": sent.to.state.status.value,
    }


def of_received(received: Received) -> Report:
    """Return messages and their receiver."""
    return {
        "agent_name": received.to.agent_name,
        "session_id": received.to.session_id,
        "messages": received.page.messages,
        "next_after_seq": received.page.next_after_seq,
    }


def of_artifact(seq: int, piece: Piece) -> Report:
    """Return a piece of a field that was cut."""
    reference = piece.reference
    return {
        "run_id": piece.run_id,
        "seq": seq,
        **{key: reference[key] for key in ("field_path", "mime", "encoding", "relpath", "total_bytes")},
        "offset": piece.offset,
        "returned_bytes": piece.returned_bytes,
        "has_more": piece.offset + piece.returned_bytes < reference["total_bytes"],
        "content": piece.content,
    }


def _remote(record: RunRecord, state: Checkpoint) -> Report:
    session = state.backend_session or record.resume
    return {"provider": record.backend, **({"conversation_id": session} if session else {}), **state.remote}
