"""``runs spawn``: hand a task to an agent."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from mcp_background_job.actions.opening import at_hand
from mcp_background_job.actions.runs.requests import Spawn
from mcp_background_job.actions.runs.running import Running
from mcp_background_job.agents.adapters.table import adapter_named
from mcp_background_job.agents.catalog import Reference
from mcp_background_job.agents.requests.personas import PERSONAS
from mcp_background_job.agents.runs import RunManager
from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.arguments import AsJson, Follow, OptionalSeconds, json_object
from mcp_background_job.cli.parameter import Parameter, named
from mcp_background_job.cli.runs.exit_codes import of_run
from mcp_background_job.cli.runs.following import left_running, write_events
from mcp_background_job.cli.runs.session import with_runs
from mcp_background_job.cli.session import caller
from mcp_background_job.core.run import Backend, Role
from mcp_background_job.core.text import one_line
from mcp_background_job.errors import InvalidRequestError

#: In place of a prompt: it is read from stdin.
_FROM_STDIN = "-"

#: Characters of a command that an error quotes.
_QUOTED = 60


def spawn(
    backend: Annotated[Backend, named("BACKEND")],
    prompt: Annotated[str, Parameter(("PROMPT",), may_be_option=True)],
    /,
    *command: str,
    cwd: Path | None = None,
    name: str | None = None,
    model: str | None = None,
    profile: str | None = None,
    role: Role = "worker",
    schema: str | None = None,
    resume: str | None = None,
    metadata: str | None = None,
    agent_url: str | None = None,
    full_access: bool = False,
    timeout: OptionalSeconds = None,
    idle_timeout: OptionalSeconds = None,
    leftovers: Literal["kill", "report"] = "kill",
    follow: Follow = False,
    as_json: AsJson = False,
) -> int:
    """Hand a task to an agent, in the background; prints the run's id.

    Args:
        backend: Kind of agent.
        prompt: The task; - reads it from stdin.
        command: For command and acp: the program and its arguments, after --.
        cwd: The workspace; the current directory without it.
        name: Name for the agent.
        model: The model that it is to use.
        profile: A file whose text is put before the task, or reviewer.
        role: What it is for, as lists show it.
        schema: JSON Schema for its answer, or @FILE that holds one.
        resume: Id of the session to go on with.
        metadata: A JSON object that is kept with the run.
        agent_url: For remote_a2a: the URL of the agent.
        full_access: Let it do everything without asking.
        timeout: Stop it after this long, in seconds or as 5m.
        idle_timeout: Stop it when it has said nothing for this long.
        leftovers: What happens to processes that outlive the agent.
        follow: Print its events until it is over. Ctrl-C leaves it running.
        as_json: Print JSON, with the field names of the tools.
    """
    config: dict[str, Any] = {"command": list(command)} if command else {}
    config |= {"model": model} if model else {}
    config |= {"agent_url": agent_url} if agent_url else {}
    config |= {"full_access": True} if full_access else {}
    _check(backend, config)
    request = Spawn(
        backend=backend,
        cwd=str((cwd or Path.cwd()).absolute()),
        prompt=sys.stdin.read() if prompt == _FROM_STDIN else prompt,
        nickname=name,
        profile=profile if profile in (None, *PERSONAS) else str(Path(profile).absolute()),
        role=role,
        output_schema=json_object("--schema", schema),
        metadata=json_object("--metadata", metadata),
        session_mode="resume" if resume else "new",
        session_id=resume,
        backend_config=config,
        timeout_s=timeout,
        idle_timeout_s=idle_timeout,
        leftovers=leftovers,
    )
    return with_runs(lambda runs: _spawn(runs, request, follow=follow, as_json=as_json))


def _check(backend: Backend, config: Mapping[str, Any]) -> None:
    """Refuse what this agent does not take, or lacks, by the name that is typed for it.

    Raises:
        InvalidRequestError: there is such a thing.
    """
    heeded = adapter_named(backend).config_keys
    if "command" in heeded and "command" not in config:
        raise InvalidRequestError(f"{backend} needs a COMMAND behind the task: runs spawn {backend} PROMPT -- COMMAND")
    unheeded = [key for key in config if key not in heeded]
    if "command" in unheeded:
        words = " ".join(config["command"])
        raise InvalidRequestError(
            f"{backend} takes no COMMAND, which {one_line(words, _QUOTED)!r} would be: if it belongs to the task, put "
            "the whole task in quotation marks"
        )
    if unheeded:
        raise InvalidRequestError(f"{backend} takes no --{unheeded[0].replace('_', '-')}: leave it out")
    if "agent_url" in heeded and "agent_url" not in config:
        raise InvalidRequestError(f"{backend} needs --agent-url, the URL of the agent")


async def _spawn(runs: RunManager, request: Spawn, *, follow: bool, as_json: bool) -> int:
    spawned = await Running(at_hand(runs)).spawn_run(caller(), request)
    if not follow:
        if as_json:
            terminal.as_json(spawned)
        else:
            terminal.line(spawned["run_id"])
        return exit_codes.OK
    reference = Reference(spawned["run_id"])
    with left_running(reference):
        ended = await write_events(runs, reference, after_seq=0, follow=True, as_json=as_json)
    return of_run(ended.state.status)
