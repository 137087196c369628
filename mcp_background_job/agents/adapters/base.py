"""What an adapter is: how one kind of agent is started, stopped politely, talked to, and what its lines mean.

An adapter does no I/O but for the look whether its program is there. A run is a job; the job's stdout is the agent's
own stream of JSON lines (or, for agents that need both pipes held, the lines of our host process), and the events of
the run are a pure function of those lines. So they are the same whoever reads them, and survive whatever reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from mcp_background_job.core.run import EventType, RunStatus

#: ``files``: it is given files themselves; others are told their paths.
Capability = Literal["resume", "live_continue", "permissions", "output_schema", "files"]


@dataclass(frozen=True)
class Attachment:
    """A file that comes with a message.

    Attributes:
        path: where it is kept, as long as the run goes on.
        name: as whoever sent it has it, or empty.
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
        data: of the terminal event: ``final_response``, ``structured_output``, ``usage``, ``error``, ``reason``…
    """

    status: RunStatus
    data: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """What an adapter is asked to start.

    Attributes:
        run_id: of the run.
        cwd: the workspace, absolute.
        prompt: the text of the first message.
        directory: the run's own directory, outside the workspace; the adapter may name files in it.
        resume: the agent's own session id to go on with, if any.
        output_schema: JSON Schema that the final answer is to fit, if asked for.
        config: ``backend_config`` as it was given: ``binary``, ``model``, ``full_access``, ``args``, ``agent_url``…
        role: planner, worker or reviewer.
        files: that come with the first message; its text names their paths, unless the adapter can do ``files``.
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
    """How an agent is started.

    Attributes:
        argv: the program and its arguments; never holds the prompt, which may be longer than an argument can be.
        env: variables to set beside the allowed ones.
        pass_env: names of variables of ours that it needs (its keys, its home), beyond the common allow-list.
        files: to be written into the run's directory before the start: name and content.
        stdin: the bytes that it reads before the end of its input; with ``keeps_stdin`` the first of more to come.
        keeps_stdin: whether its stdin stays open, for answers.
        polite_signal: the signal that ends it best.
        grace_s: how long it is given for that before everything it started is killed.
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

    Its state can be written down and taken up again by another process, so that a long stream is read once.
    """

    def feed(self, line: bytes) -> list[Event]:
        """Read one line, without its newline; returns what it tells. Terminal events are not made here."""
        ...

    def close(self, exit_code: int | None) -> list[Event]:
        """Note that the stream is over; returns what was held back, and may tell or refine ``end``.

        Args:
            exit_code: with which the program ended by itself; ``None`` if a signal ended it, or nobody knows.
        """
        ...

    @property
    def session_id(self) -> str | None:
        """The agent's own id of the session, once it has told it."""
        ...

    @property
    def end(self) -> ParsedEnd | None:
        """How the agent says that it ended, once it has."""
        ...

    def dump(self) -> dict[str, Any]:
        """Return the state as JSON."""
        ...


class Adapter(Protocol):
    """One kind of agent; its module has one as ``ADAPTER``.

    Attributes:
        name: what ``backend`` is called.
        config_keys: the keys that its ``backend_config`` may have.
        capabilities: what it can do beside working on a prompt.
        exit_is_result: it tells how it ended by its exit code alone, so that 0 without a result is a success.
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
        """Tell whether it may do everything, unasked and without a sandbox, by whatever ``config`` has for that.

        Raises:
            InvalidRequestError: ``config`` says both that it may and that it may not.
        """
        ...

    def launch(self, request: RunRequest, binary: str) -> Launch:
        """Return how it is started.

        Raises:
            InvalidRequestError: something in the request cannot be done with this agent.
        """
        ...

    def parser(self, state: Mapping[str, Any] | None = None) -> Parser:
        """Return a parser at the beginning of a stream, or where ``Parser.dump`` says."""
        ...

    def answer(self, parser: Parser, text: str, data: Mapping[str, Any]) -> bytes:
        """Return what to write to its stdin to answer what it asks, or to say more, while it runs.

        Raises:
            InvalidRequestError: it takes nothing, or this is not an answer to what it asks.
        """
        ...

    def cancel_message(self, parser: Parser) -> bytes | None:
        """Return what to write to its stdin so that it stops by itself, before any signal; ``None``: nothing."""
        ...
