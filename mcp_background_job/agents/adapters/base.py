"""The interface of an adapter: how to start, stop and answer one kind of agent, and how to parse its lines.

An adapter does no I/O except to look for its program. A run is a job. The job's stdout is the agent's own stream of
JSON lines (or, for agents that need both pipes held, the lines of our host process), and the events of the run are a
pure function of those lines. So every reader gets the same events, and they survive every reader.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from mcp_background_job.core.run import EventType, RunStatus

#: ``files``: the agent is given the files themselves; other agents are told their paths.
Capability = Literal["resume", "live_continue", "permissions", "output_schema", "files"]


@dataclass(frozen=True)
class Attachment:
    """A file that comes with a message.

    Attributes:
        path: where it is kept until the run is over.
        name: the sender's name for it, or empty.
        mime_type: its type, or empty.
    """

    path: str
    name: str = ""
    mime_type: str = ""


@dataclass(frozen=True)
class Event:
    """One event, before it has a number: its type and its data (JSON)."""

    type: EventType
    data: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class ParsedEnd:
    """How the agent itself says that its turn ended.

    Attributes:
        status: completed, failed, rejected or cancelled.
        data: the data of the terminal event: ``final_response``, ``structured_output``, ``usage``, ``error``,
        ``reason``…
    """

    status: RunStatus
    data: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """A request to an adapter to start a run.

    Attributes:
        run_id: id of the run.
        cwd: the workspace, absolute.
        prompt: the text of the first message.
        directory: the run's own directory, outside the workspace; the adapter may name files in it.
        resume: the agent's own id of the session to continue, if any.
        output_schema: JSON Schema that the final answer must match, if given.
        config: ``backend_config`` as given: ``binary``, ``model``, ``full_access``, ``args``, ``agent_url``…
        role: planner, worker or reviewer.
        files: the files of the first message; its text names their paths, unless the adapter has the capability
        ``files``.
    """

    run_id: str
    cwd: str
    prompt: str
    directory: str
    resume: str | None = None
    output_schema: Mapping[str, Any] | None = None
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    role: str = "worker"
    files: tuple[Attachment, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How to start an agent.

    Attributes:
        argv: the program and its arguments. The prompt belongs to ``stdin``, since it may be longer than an argument
            can be; ``options.prompt_as_argument`` is for an agent that takes it nowhere else.
        env: variables to set beside the allowed ones.
        pass_env: names of our variables that the agent needs (its keys, its home), beyond the common allow-list.
        files: name and content of files to write into the run's directory before the start.
        stdin: the bytes that the agent reads before the end of its input; with ``keeps_stdin`` more may follow.
        keeps_stdin: whether its stdin stays open, for answers.
        polite_signal: the signal on which it ends most cleanly.
        grace_s: seconds that it has to end after that signal; then all that it started is killed.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    pass_env: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    stdin: bytes = b""
    keeps_stdin: bool = False
    polite_signal: str = "TERM"
    grace_s: float = 1.0


@dataclass(frozen=True)
class Availability:
    """Whether the agent's program can be started; if not, ``reason`` says what to install."""

    path: str | None
    version: str | None = None
    reason: str = ""


class Parser(Protocol):
    """Reads the lines of one run. Total: a bad line becomes an event, never an exception.

    Another process can take up its dumped state, so a long stream is read once.
    """

    def feed(self, line: bytes) -> list[Event]:
        """Read one line, without its newline; returns its events. Terminal events are not made here."""
        ...

    def close(self, exit_code: int | None) -> list[Event]:
        """Note that the stream has ended; returns the events that were held back, and may set or refine ``end``.

        Args:
            exit_code: the code with which the program exited; ``None`` if a signal ended it, or if it is unknown.
        """
        ...

    @property
    def session_id(self) -> str | None:
        """The agent's own id of the session, once the agent has given it."""
        ...

    @property
    def end(self) -> ParsedEnd | None:
        """How the agent says that its turn ended, once it has."""
        ...

    def dump(self) -> dict[str, Any]:
        """Return the state as JSON."""
        ...


class Adapter(Protocol):
    """One kind of agent; its module holds one instance as ``ADAPTER``.

    Attributes:
        name: the value of ``backend`` that means it.
        config_keys: the keys that its ``backend_config`` may have: only those that the adapter heeds.
        capabilities: what it can do besides working on a prompt.
        exit_is_result: only its exit code says how it ended, so 0 without a result is a success.
    """

    name: str
    capabilities: frozenset[Capability]
    exit_is_result: bool

    @property
    def config_keys(self) -> tuple[str, ...]: ...

    def available(self, config: Mapping[str, Any], environment: Mapping[str, str]) -> Availability:
        """Look for the program on PATH, or where ``config["binary"]`` says."""
        ...

    def full_access(self, config: Mapping[str, Any]) -> bool:
        """Tell whether the agent may do everything, unasked and without a sandbox, for whatever reason in ``config``.

        Raises:
            InvalidRequestError: ``config`` says both yes and no.
        """
        ...

    def launch(self, request: RunRequest, binary: str) -> Launch:
        """Return how to start the agent.

        Raises:
            InvalidRequestError: this agent cannot do something in the request.
        """
        ...

    def parser(self, state: Mapping[str, Any] | None = None) -> Parser:
        """Return a parser at the start of a stream, or in a state from ``Parser.dump``."""
        ...

    def answer(self, parser: Parser, text: str, data: Mapping[str, Any]) -> bytes:
        """Return the bytes for its stdin that answer its question, or that say more while it runs.

        Raises:
            InvalidRequestError: the agent takes no input, or this does not answer its question.
        """
        ...

    def cancel_message(self, parser: Parser) -> bytes | None:
        """Return the bytes for its stdin that make it stop by itself, before any signal; ``None`` if there are none."""
        ...
