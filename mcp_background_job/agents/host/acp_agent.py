"""An ACP agent as a child process: its pipes, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
from asyncio import SubprocessTransport
from asyncio.subprocess import SubprocessStreamProtocol
from collections.abc import Callable, Sequence
from typing import Any, cast

from mcp_background_job.agents.adapters.reading import object_in
from mcp_background_job.agents.host.lines import LINE_MAX, lines_of

#: Seconds that an agent has to exit by itself once its stdin is closed: it may have to save its session. Some never
#: exit, and the job's runner ends them.
CLOSE_S = 1.0

#: Seconds for the agent's last output to arrive through the pipe after the agent has exited. Its exit is noticed
#: separately from the end of its output, since a process that it left behind may hold the pipe open.
DRAIN_S = 0.5

#: Non-message lines after which a program is not taken for an agent. Some agents print a banner or warnings on stdout.
NOISE_MAX = 200


class _Protocol(SubprocessStreamProtocol):
    """Notes when the process exits; asyncio itself waits for the end of its output, which others may hold open."""

    def __init__(self) -> None:
        super().__init__(limit=LINE_MAX, loop=asyncio.get_running_loop())
        self.exited = asyncio.Event()

    def process_exited(self) -> None:
        super().process_exited()
        self.exited.set()


class Agent:
    """One agent process, as a transport of JSON objects for the connection of the SDK."""

    def __init__(self, process: SubprocessTransport, protocol: _Protocol, on_noise: Callable[[bytes], None]) -> None:
        """Takes the process with both pipes, and a function for lines that are not messages."""
        self._process = process
        self.exited = protocol.exited
        self._stdin = cast("asyncio.StreamWriter", protocol.stdin)
        self._lines = lines_of(cast("asyncio.StreamReader", protocol.stdout))
        self._on_noise = on_noise
        self._noise = 0

    async def send(self, message: dict[str, Any]) -> None:
        """Write one message; waits while the agent does not read."""
        self._stdin.write(json.dumps(message).encode() + b"\n")
        await self._stdin.drain()

    async def receive(self) -> dict[str, Any] | None:
        """Return the next message; ``None`` at the end of the agent's output, or if it is nothing but noise."""
        async for line in self._lines:
            message = object_in(line)
            if message is not None:
                return message
            if line.strip():
                self._on_noise(line)
                self._noise += 1
            if self.is_noise:
                break
        return None

    @property
    def is_noise(self) -> bool:
        """Whether the program prints something other than messages of the protocol."""
        return self._noise >= NOISE_MAX

    async def close(self) -> None:
        """Close its stdin, after what was written; the SDK calls this when a connection is closed."""
        self._stdin.close()

    async def ended(self, patience_s: float) -> int | None:
        """Wait so many seconds for its exit; returns its exit code, negative for a signal, or ``None`` if it lives."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.exited.wait(), patience_s)
        return self._process.get_returncode()


async def start_agent(argv: Sequence[str], cwd: str, on_noise: Callable[[bytes], None]) -> Agent:
    """Start an agent in the workspace, with our environment and our stderr.

    Raises:
        OSError: it cannot be started.
    """
    loop = asyncio.get_running_loop()
    process, protocol = await loop.subprocess_exec(_Protocol, *argv, cwd=cwd, stderr=None)
    return Agent(process, protocol, on_noise)
