"""What a call comes with: who asks, and a way to say that one is still waiting."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from mcp_background_job.core.wire import utf8
from mcp_background_job.server.fastmcp_names import Context, get_context

Result = TypeVar("Result")

#: Clients that watch for silence allow minutes; a person who looks on likes to see something sooner.
PROGRESS_INTERVAL_S = 5.0


#: Where this server was started; its directory may be gone by the time somebody asks.
_WHERE = os.environ.get("PWD", "")


def client_name() -> str:
    """Return who asks: the client's name and where it works, so that it is known again after a restart."""
    parameters = get_context().session.client_params
    name = parameters.client_info.name if parameters else "unknown"
    return utf8(f"{name}@{_WHERE}")  # compared with what the index holds, which is UTF-8


def working_directory() -> str:
    """Return where the client works: this server was started there."""
    return _WHERE


async def with_progress(work: Awaitable[Result], what: str | Callable[[], str], limit_s: float) -> Result:
    """Await something, telling the client meanwhile that it is under way. If the client cancels, so is the work."""
    context = get_context()
    task = asyncio.ensure_future(work)
    began = time.monotonic()
    try:
        while True:
            done, _ = await asyncio.wait({task}, timeout=PROGRESS_INTERVAL_S)
            if done:
                return task.result()
            told = what if isinstance(what, str) else what()
            await _report(context, time.monotonic() - began, limit_s, told)
    finally:
        task.cancel()


async def _report(context: Context, waited_s: float, limit_s: float, what: str) -> None:
    await context.report_progress(waited_s, limit_s, utf8(f"{what}, {waited_s:.0f} s"))
