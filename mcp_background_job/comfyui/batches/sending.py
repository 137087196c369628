"""Waits until no prompt is on its way to a server: only then does a pause or a cancel hold."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

#: Seconds. A request that submits a prompt is answered or given up in less (see ``client.READ_S``); a dead feeder is
#: replaced, and its successor looks, in less too.
_SENDING_S = 8.0

#: Seconds between two looks: a healthy server answers within milliseconds, and no event says that it has.
_LOOK_S = 0.02


async def is_sent(is_sending: Callable[[], Awaitable[bool]]) -> bool:
    """Return true as soon as no prompt is on its way any more, false if one is for too long."""
    deadline = time.monotonic() + _SENDING_S
    while await is_sending():
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(_LOOK_S)
    return True
