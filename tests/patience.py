"""How long tests wait, in one place: a loaded machine makes them slower, not red.

A patience is what a test grants to something that must happen: it is over as soon as that happens, so it costs nothing
to be generous. ``TESTS_PATIENCE=3 make test`` makes all of them three times as long.

A limit that a test lets run out is the test's own and short (``wait_s=0.2``). How fast something is says ``bench/``: on
a loaded machine, no test can tell it.
"""

from __future__ import annotations

import asyncio
import os
import select
import time
from collections.abc import Awaitable, Callable

# Not MCP_BG_…: those are settings of the project, and tests run without any.
_SCALE = float(os.environ.get("TESTS_PATIENCE", "1"))


def scaled(seconds: float) -> float:
    """Return a time limit that something healthy must keep, stretched for this machine."""
    return seconds * _SCALE


#: For one thing to happen. Beside a load of eight on two cores, a command line takes 5 s to start instead of 1.
PATIENCE_S = scaled(60.0)

#: ``wait_s`` of one call for what must happen: the longest that a call allows.
WAIT_S = 50.0

#: The same on a command line.
WAIT = f"{WAIT_S:g}"

#: ``wait_s`` of one look at the events of a run: the longest that a look allows.
POLL_S = 30.0

#: For a whole test, by default: it comes after any of its patiences, which say what was missing.
TEST_S = scaled(300.0)

#: A helper process ends by itself after this time, whatever went wrong in the test.
HELPER_LIFE_S = int(TEST_S) + 60

# Between two looks at what nobody announces; and where each of them asks a cluster, which needs the processors too.
LOOK_AGAIN_S = 0.01
ASK_AGAIN_S = 0.2


def wait_until(
    condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S, *, pause_s: float = LOOK_AGAIN_S
) -> None:
    """Wait for what nobody announces, with a pause between two looks."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {patience_s:g} s: {what}"
        select.select([], [], [], pause_s)


async def until(
    condition: Callable[[], Awaitable[bool]],
    what: str,
    patience_s: float = PATIENCE_S,
    *,
    pause_s: float = LOOK_AGAIN_S,
) -> None:
    """Wait for what nobody announces, while the event loop goes on."""
    deadline = time.monotonic() + patience_s
    while not await condition():
        assert time.monotonic() < deadline, f"not within {patience_s:g} s: {what}"
        await asyncio.sleep(pause_s)
