"""How long tests wait, in one place: a loaded machine makes tests slower, but must not make them fail.

A patience is the most time that a test grants to something that must happen. The wait is over as soon as that happens,
so a generous patience costs nothing. ``TESTS_PATIENCE=3 make test`` makes all of them three times as long.

If a test lets a limit run out, the limit is the test's own, and short (``wait_s=0.2``). ``bench/`` measures how fast
something is: on a loaded machine, no test can tell.
"""

from __future__ import annotations

import asyncio
import os
import select
import time
from collections.abc import Awaitable, Callable

# Not MCP_BG_…: those variables are settings of the project, and tests run without any.
_SCALE = float(os.environ.get("TESTS_PATIENCE", "1"))


def scaled(seconds: float) -> float:
    """Return a time limit, stretched by ``TESTS_PATIENCE``."""
    return seconds * _SCALE


#: For one thing to happen. Beside eight busy processes on two cores, a command line takes 5 s to start instead of 1 s.
PATIENCE_S = scaled(60.0)

#: ``wait_s`` of one call that waits for something that must happen: the longest that a call allows.
WAIT_S = 50.0

#: ``WAIT_S`` on a command line.
WAIT = f"{WAIT_S:g}"

#: ``wait_s`` of one look at the events of a run: the longest that a look allows.
POLL_S = 30.0

#: For a whole test, by default. It is longer than any patience, since a patience that runs out says what was missing.
TEST_S = scaled(300.0)

#: A helper process ends by itself after this time, even if the test goes wrong.
HELPER_LIFE_S = int(TEST_S) + 60

# Pauses between two looks at something that nobody announces; the longer one is for looks that ask a cluster.
LOOK_AGAIN_S = 0.01
ASK_AGAIN_S = 0.2


def wait_until(
    condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S, *, pause_s: float = LOOK_AGAIN_S
) -> None:
    """Wait for a condition that nobody announces, with a pause between two looks."""
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
    """Wait for a condition that nobody announces, while the event loop goes on."""
    deadline = time.monotonic() + patience_s
    while not await condition():
        assert time.monotonic() < deadline, f"not within {patience_s:g} s: {what}"
        await asyncio.sleep(pause_s)
