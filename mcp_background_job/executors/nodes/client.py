"""A connection to a runner on a node, whatever carries its lines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from types import TracebackType
from typing import Any

from mcp_background_job.errors import CorruptRecordError
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.control import Outlet, RunnerClient, RunnerTimeoutError
from mcp_background_job.jobdir.records import Exit

#: A request that checks whether the runner is there: it reads nothing of the log.
NOTHING: dict[str, object] = {"op": "read", "offset": 0, "limit": 0}

#: Seconds. A node that goes off ends no connection. So after a silence the runner is asked whether it is there. If it
#: does not answer either, the connection is closed, and the next look shows what the engine says.
_QUIET_S = 30.0
_ANSWER_S = 15.0


class NodeClient(RunnerClient):
    """One connection to a runner on a node. The runner reports how its job ended before it closes the connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: Outlet, told: Callable[[Exit], None], hung_up: Callable[[], None]
    ) -> None:
        """Takes the connection, a function for the end of the job, and one that is called when we close."""
        super().__init__(reader, writer)
        self._told = told
        self._hung_up = hung_up
        self._is_ended = False
        self._is_doubted = False

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        self._hung_up()
        await super().__aexit__(kind, error, trace)

    async def hang_up(self) -> None:
        """Close a connection that was never entered as a context."""
        await self.__aexit__(None, None, None)

    async def outcome_of_stop(self) -> list[int]:
        """Wait for the end of a job that was asked to stop; returns processes that survive SIGKILL, if any.

        Raises:
            RunnerTimeoutError: the connection broke before the runner reported how the job ended: it may be alive.
        """
        survivors = await super().outcome_of_stop()
        if not survivors and not self._is_ended:
            raise RunnerTimeoutError("the connection to the runner broke before it had told how the job ended")
        return survivors

    async def _receive(self) -> dict[str, Any] | None:
        answer = await self._heard()
        if answer is None or "ended" not in answer:
            return answer
        self._is_ended = True
        try:
            self._told(records.decode(Exit, json.dumps(answer["ended"]).encode(), "what the runner has told"))
        except CorruptRecordError:
            return None  # from a newer release; the exit record will say the same
        return None

    async def _heard(self) -> dict[str, Any] | None:
        """Return the next answer; ``None`` if the runner closes the connection, or no longer answers."""
        while True:
            try:
                async with asyncio.timeout(_ANSWER_S if self._is_doubted else _QUIET_S):
                    answer = await super()._receive()
            except TimeoutError:
                if self._is_doubted:
                    return None
                self._is_doubted = True
                self._writer.write(json.dumps(NOTHING).encode() + b"\n")
                continue
            if not self._is_doubted or answer is None or "data" not in answer:
                return answer
            self._is_doubted = False
