"""The fields that reports on runs always have: programs that read the answers of these tools may rely on them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class Spawned(BaseModel):
    """A run that was started."""

    run_id: str
    backend: str
    role: str
    session_id: str
    agent_name: str
    status: str


class Known(BaseModel):
    """A run."""

    run_id: str
    backend: str
    session_id: str
    agent_name: str
    status: str
    summary: str
    last_seq: int


class Polled(BaseModel):
    """Events of a run."""

    run_id: str
    status: str
    events: list[dict[str, Any]]
    next_after_seq: int


class Cancelled(BaseModel):
    """A run whose cancel was requested."""

    run_id: str
    status: str
    cancelled_at: str
    stopped: bool


class Continued(BaseModel):
    """A run that goes on."""

    run_id: str
    status: str
    session_id: str
    agent_name: str
    mode: str


class Listed(BaseModel):
    """Several runs."""

    runs: list[dict[str, Any]]


class Piece(BaseModel):
    """A piece of an artifact."""

    run_id: str
    offset: int
    returned_bytes: int
    has_more: bool
    content: str


class Agents(BaseModel):
    """The agents that can be written to."""

    agents: list[dict[str, Any]]


class Sent(BaseModel):
    """A message that was sent."""

    message_id: str
    to_agent_name: str
    to_session_id: str
    seq: int
    created_at: str


class Received(BaseModel):
    """Messages to an agent."""

    agent_name: str
    session_id: str
    messages: list[dict[str, Any]]
    next_after_seq: int
