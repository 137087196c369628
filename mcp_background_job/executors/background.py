"""Work that goes on while nobody waits for it."""

from __future__ import annotations

import contextlib
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from mcp_background_job.errors import LaunchError, StateDirError

if TYPE_CHECKING:
    import asyncio

Result = TypeVar("Result")


class Background:
    """Work that its caller does not wait for. What it finds out is in the job's directory."""

    def __init__(self) -> None:
        """Starts without tasks."""
        self._tasks: set[asyncio.Task[object]] = set()

    def go_on(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[None]:
        """Let work go on in the event loop without its caller; returns its task."""
        import asyncio  # noqa: PLC0415  see ``looping``

        async def to_the_end() -> None:
            with contextlib.suppress(LaunchError, StateDirError):  # the exit record has the error, or nothing was begun
                await work

        task = asyncio.get_running_loop().create_task(to_the_end())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def despite_cancellation(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Wait for work that goes on to its end even if its caller is cancelled."""
        import asyncio  # noqa: PLC0415  see ``looping``

        task = asyncio.get_running_loop().create_task(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self.go_on(_result_of(task))
            raise

    async def finish(self) -> None:
        """Wait for all work that goes on."""
        if self._tasks:
            import asyncio  # noqa: PLC0415  see ``looping``

            await asyncio.gather(*self._tasks)


async def _result_of(task: asyncio.Task[Result]) -> Result:
    return await task
