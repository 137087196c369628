"""The requests on runs. ``agent_name`` (with ``cwd``) means the newest run of an agent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from mcp_background_job.actions.meant import Entries, Word
from mcp_background_job.core.run import Backend, Role

Message = Annotated[
    dict[str, Any], Field(description='{"role":"user","parts":[{"type":"text","text":…}|{"type":"data","data":{…}}]}')
]

#: Texts: a single text may be one word or several, and only its reader knows.
_Texts = str | list[str]


@dataclass(frozen=True, kw_only=True)
class Spawn:
    """A task for an agent."""

    backend: Backend
    cwd: Annotated[str, Field(description="absolute")]
    prompt: str | None = None
    input_message: Message | None = None
    role: Role = "worker"
    session_mode: Literal["new", "resume"] = "new"
    session_id: Annotated[Word | None, Field(description="to resume")] = None
    nickname: Annotated[str | None, Field(description="agent_name")] = None
    profile: Annotated[str | None, Field(description="persona file, or reviewer")] = None
    output_schema: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    backend_config: Annotated[
        dict[str, Any] | None,
        Entries({"command": _Texts, "args": _Texts, "accepted_output_modes": _Texts, "headers": dict[str, str]}),
        Field(
            description="model, full_access, args[], binary; command: command[]; acp: and mode; remote_a2a: agent_url"
        ),
    ] = None
    timeout_s: float | None = None
    idle_timeout_s: float | None = None
    leftovers: Annotated[Literal["kill", "report"], Field(description="processes that outlive the agent")] = "kill"


@dataclass(frozen=True, kw_only=True)
class WhichRun:
    """A run, by its id or its agent's name."""

    run_id: Word | None = None
    agent_name: str | None = None
    cwd: str | None = None


@dataclass(frozen=True, kw_only=True)
class Poll:
    """Events to read."""

    after_seq: int = 0
    run_id: Word | None = None
    agent_name: str | None = None
    cwd: str | None = None
    limit: int = 100
    wait_ms: Annotated[int, Field(description="max 30000")] = 20_000


@dataclass(frozen=True, kw_only=True)
class GoOn:
    """An answer, or the next task."""

    input_message: Message
    run_id: Word | None = None
    agent_name: str | None = None
    cwd: str | None = None


@dataclass(frozen=True, kw_only=True)
class ListRuns:
    """The runs to list."""

    status: Word | None = None
    backend: Word | None = None
    cwd: str | None = None
    all_projects: bool = False
    limit: int = 20
    cursor: int = 0


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A field of an event to read whole."""

    seq: int
    field_path: Annotated[str, Field(description="a key of data.artifact_refs")]
    run_id: Word | None = None
    agent_name: str | None = None
    cwd: str | None = None
    offset: int = 0
    limit: Annotated[int, Field(description="bytes, max 262144")] = 65_536


@dataclass(frozen=True, kw_only=True)
class ListAgents:
    """The agents to list."""

    cwd: str | None = None
    backend: Word | None = None
    status: Word | None = None
    all_projects: bool = False
    limit: int = 50


@dataclass(frozen=True, kw_only=True)
class Send:
    """A message to an agent."""

    to_agent_name: Annotated[str, Field(description="or parent")]
    message: Message
    from_agent_name: str | None = None
    cwd: str | None = None
    metadata: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """The messages to fetch."""

    agent_name: str | None = None
    cwd: str | None = None
    after_seq: int | None = None
    limit: int = 100
    wait_ms: Annotated[int, Field(description="max 30000")] = 0
