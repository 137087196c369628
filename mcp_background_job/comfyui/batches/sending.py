"""Waits until no prompt is on its way to a server: only then does a pause or a cancel hold."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

#: A request that submits a prompt is answered or given up within less (see ``client.READ_S``); a feeder that has died
#: is replaced and looks within less, too.
_SENDING_S = 8.0

#: A healthy server answers within milliseconds, and nobody tells when it has.
_LOOK_S = 0.02


async def is_sent(is_sending: Callable[[], Awaitable[bool]]) -> bool:
    """Return whether nothing is on its way any more, as soon as that is so; false if something is for too long."""
    deadline = time.monotonic() + _SENDING_S
    while await is_sending():
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(_LOOK_S)
    return True
