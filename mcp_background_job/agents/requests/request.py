"""A caller's request to start a run, checked before anything is started or written."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from mcp_background_job.agents.requests import messages
from mcp_background_job.agents.requests.personas import persona_of
from mcp_background_job.core.run import Role
from mcp_background_job.errors import InvalidRequestError

#: Characters of an agent's name, which every list, event and ending repeats.
MAX_NICKNAME = 200

#: Not a name in messages between agents: it means the run within which the sender was started.
PARENT = "parent"

SessionMode = Literal["new", "resume"]
Leftovers = Literal["kill", "report"]


@dataclass(frozen=True, kw_only=True)
class SpawnRequest:
    """A request to start a run.

    Attributes:
        backend: kind of agent.
        cwd: the workspace, absolute.
        prompt: the task; alternatively:
        input_message: the task in parts.
        role: planner, worker or reviewer.
        session_mode: ``new``, or ``resume`` to continue a session.
        session_id: our id of the session to continue.
        nickname: the caller's name for the agent.
        profile: path of a file that is put before the task, or the name of a persona.
        output_schema: JSON Schema for the final answer.
        metadata: kept and returned, not interpreted.
        config: the adapter's ``backend_config``.
        timeout_s: time limit.
        idle_timeout_s: limit on silence.
        leftovers: what happens to processes that outlive the agent: they are ended, or only reported.
        resumed_from_run_id: the run that this one continues.
    """

    backend: str
    cwd: str
    prompt: str | None = None
    input_message: Mapping[str, Any] | None = None
    role: Role = "worker"
    session_mode: SessionMode = "new"
    session_id: str | None = None
    nickname: str | None = None
    profile: str | None = None
    output_schema: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    timeout_s: float | None = None
    idle_timeout_s: float | None = None
    leftovers: Leftovers = "kill"
    resumed_from_run_id: str | None = None
    project: str = ""
    reader: str = ""


def check(request: SpawnRequest) -> None:
    """Check everything that needs no look at other runs.

    Raises:
        InvalidRequestError: something in the request cannot be used.
    """
    if not os.path.isabs(request.cwd):
        raise InvalidRequestError(f"cwd must be an absolute path: {request.cwd}")
    if not os.path.exists(request.cwd):
        raise InvalidRequestError(f"ENOENT: no such file or directory, stat '{request.cwd}'")
    if not os.path.isdir(request.cwd):
        raise InvalidRequestError(f"cwd is not a directory: {request.cwd}")
    if request.session_mode == "resume" and not request.session_id:
        raise InvalidRequestError("session_id is required when session_mode is resume")
    words = (("role", request.role, Role), ("session_mode", request.session_mode, SessionMode))
    for name, word, known in (*words, ("leftovers", request.leftovers, Leftovers)):
        if word not in get_args(known):
            raise InvalidRequestError(f"{name} {word!r} is unknown: give one of {', '.join(get_args(known))}")
    if request.resumed_from_run_id is None:  # else it already has the name, perhaps from release 1.0.0
        _check_nickname(request.nickname or "")
    for name, limit in (("timeout_s", request.timeout_s), ("idle_timeout_s", request.idle_timeout_s)):
        if limit is not None and not 0 < limit < math.inf:
            raise InvalidRequestError(f"{name}={limit:g}: a time limit is more than 0 seconds, and finite")


def _check_nickname(name: str) -> None:
    if len(name) > MAX_NICKNAME:
        raise InvalidRequestError(f"nickname has {len(name):,} characters; at most {MAX_NICKNAME}")
    if name == PARENT:
        raise InvalidRequestError(f"agents call whoever started them {PARENT!r}: give another nickname")


def text_of(request: SpawnRequest) -> str:
    """Return the text of the first message: profile, prompt and message, as far as they are given.

    Raises:
        InvalidRequestError: there is no text, or the profile cannot be read.
    """
    message = messages.read(request.input_message) if request.input_message is not None else messages.Message()
    task = "\n\n".join(text for text in (request.prompt or "", message.text) if text.strip())
    if not task and not message.files:
        raise InvalidRequestError("Provide prompt or input_message")
    if request.profile is None:
        return task
    return f"{persona_of(request.profile, request.cwd)}\n\n{task}"
