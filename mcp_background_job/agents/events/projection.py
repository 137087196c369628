"""Turns an agent's lines into the events of its run. It does no I/O: the same log always gives the same events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from mcp_background_job.agents.adapters.base import Event, Parser
from mcp_background_job.agents.events.cutting import Artifact, as_json, cut
from mcp_background_job.agents.events.ending import Ending
from mcp_background_job.agents.events.lines import Line, Skip
from mcp_background_job.agents.records import Checkpoint
from mcp_background_job.core.run import TERMINAL, TRANSITIONS, EventType, RunStatus
from mcp_background_job.core.text import one_line, size

#: Bytes kept of a run's events, and of their artifacts: more than any agent writes in a day, but still a bound. How a
#: run ended is written even beyond it.
MAX_EVENTS = 128 * 1024 * 1024
MAX_ARTIFACTS = 512 * 1024 * 1024

#: Characters of a run's summary in lists.
_MAX_SUMMARY = 200

#: The host writes the first and the last event of a run, once each; the agent's output cannot make them.
_OURS = frozenset({EventType.RUN_STARTED, EventType.RUN_COMPLETED, EventType.RUN_FAILED, EventType.REJECTED})

_STATUS_OF = {
    EventType.INPUT_REQUIRED: RunStatus.INPUT_REQUIRED,
    EventType.AUTH_REQUIRED: RunStatus.AUTH_REQUIRED,
}

#: The statuses in which the agent waits for somebody.
WAITING = frozenset(_STATUS_OF.values())

#: The facts about a remote agent that an event may hold.
_REMOTE = ("conversation_id", "task_id", "context_id", "agent_url", "agent_name")


@dataclass(frozen=True)
class Entry:
    """An event ready to be written: its line, with the newline, and the fields that were cut from it."""

    line: bytes
    artifacts: list[Artifact]


@dataclass
class Projection:
    """Turns lines into entries, and keeps the state of the run after each.

    Attributes:
        parser: the adapter's parser, in the state that belongs to ``state``.
        state: the state of the run now.
        entries: the entries to write.
    """

    parser: Parser
    state: Checkpoint = field(default_factory=Checkpoint)
    entries: list[Entry] = field(default_factory=list[Entry])

    def add(self, event: Event, at: float) -> None:
        """Add an event that happened at a moment (seconds since the epoch)."""
        if self.state.events_bytes >= MAX_EVENTS:
            self.state = replace(self.state, unkept_events=self.state.unkept_events + 1)
        else:
            event = Event(event.type, self._number(event, at))
        state = self.state
        status = _status_after(state.status, event)
        self.state = replace(
            state,
            status=status,
            request=_request_after(state, status, event),
            summary=_summary_after(state.summary, event),
            backend_session=self.parser.session_id or state.backend_session,
            remote=_remote_after(state.remote, event),
        )

    def take(self, lines: Iterable[Line]) -> None:
        """Add the events of lines."""
        for line in lines:
            for event in [_left_out(line.skipped)] if line.skipped else self.parser.feed(line.data):
                if _is_the_agents(event):
                    self.add(event, line.at)

    def close(self, exit_code: int | None, at: float) -> None:
        """Add the events that the parser held back; the stream has ended."""
        for event in self.parser.close(exit_code):
            if _is_the_agents(event):
                self.add(event, at)

    def end(self, ending: Ending, at: float) -> None:
        """Add the event that ends the run."""
        data = {**ending.data, "unkept_events": self.state.unkept_events} if self.state.unkept_events else ending.data
        told = data.get("error") or data.get("final_response") or self.state.summary or data.get("reason")
        small = self._number(Event(ending.event_type, data), at)
        self.state = replace(
            self.state,
            status=ending.status,
            end=small,
            request=None,
            summary=one_line(str(told or ""), _MAX_SUMMARY),
            backend_session=self.parser.session_id or self.state.backend_session,
        )

    def _number(self, event: Event, at: float) -> dict[str, Any]:
        """Give an event its number and its line; returns its data as written."""
        state = self.state
        seq = state.seq + 1
        data, artifacts = cut(event.data, f"artifacts/{seq:06}-{event.type.value}")
        artifact_bytes = state.artifact_bytes + sum(len(artifact.content) for artifact in artifacts)
        if artifact_bytes > MAX_ARTIFACTS:
            artifact_bytes, artifacts = state.artifact_bytes, []
            for reference in data["artifact_refs"].values():
                reference["stored"] = False
        line = as_json({"seq": seq, "ts": iso(at), "type": event.type.value, "data": data}) + b"\n"
        self.entries.append(Entry(line, artifacts))
        self.state = replace(
            state,
            seq=seq,
            updated_at=max(at, state.updated_at),
            events_bytes=state.events_bytes + len(line),
            artifact_bytes=artifact_bytes,
        )
        return data


def iso(at: float) -> str:
    """Return a moment in UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _is_the_agents(event: Event) -> bool:
    return event.type not in _OURS and _named_status(event) not in TERMINAL


def _named_status(event: Event) -> RunStatus | None:
    if event.type is not EventType.STATUS_CHANGED:
        return _STATUS_OF.get(event.type)
    named = event.data.get("status")
    return RunStatus(named) if named in list(RunStatus) else None


def _status_after(status: RunStatus, event: Event) -> RunStatus:
    named = _named_status(event)
    return named if named is not None and named in TRANSITIONS[status] else status


def _request_after(state: Checkpoint, status: RunStatus, event: Event) -> dict[str, Any] | None:
    if event.type in _STATUS_OF:
        return {"seq": state.seq, "type": event.type.value, "data": event.data}
    return state.request if status in WAITING else None


def _summary_after(summary: str, event: Event) -> str:
    text = event.data.get("text")
    if event.type is EventType.AGENT_MESSAGE and isinstance(text, str) and text.strip():
        return one_line(text[: _MAX_SUMMARY * 4], _MAX_SUMMARY)
    return summary


def _remote_after(remote: dict[str, Any], event: Event) -> dict[str, Any]:
    if event.type is not EventType.STATUS_CHANGED:
        return remote
    told = {key: event.data[key] for key in _REMOTE if isinstance(event.data.get(key), str)}
    return {**remote, **told} if told else remote


def _left_out(skip: Skip) -> Event:
    why = {
        "too_long": f"a line of {size(skip.count)} is too long to be read, and was left out",
        "dropped": f"{size(skip.count)} of output were dropped from the log before they were read",
    }[skip.why]
    return Event(EventType.REASONING, {"text": why, "warning": True, "dropped_bytes": skip.count})
