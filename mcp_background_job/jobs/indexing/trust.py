"""Whether the clock can be trusted with what is removed for its age.

A clock that jumps by 30 days makes everything old at once, and one that begins in 1970, as on a machine without a
battery, does so when it is set. So what is old is removed only if it was old some time ago as well, and the clock has
gone on steadily since. That is asked across servers: most live for less than the time between two removals.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable

from mcp_background_job.core.clocks import went_steadily
from mcp_background_job.jobdir import boot, records

#: The clock must have gone on steadily for so long. Whoever sets it by mistake has noticed by then.
_STEADY_S = 600.0


class Trust:
    """What is known of the clock of this machine."""

    def __init__(
        self, path: str, *, clock: Callable[[], float] = time.time, uptime: Callable[[], float] = boot.uptime
    ) -> None:
        """Takes where to keep it, and the clocks: the one that shows the date, and one that nobody sets."""
        self._path = path
        self._clock = clock
        self._uptime = uptime

    def is_earned(self) -> bool:
        """Tell whether the clock has gone on steadily for long enough; reads and writes a file."""
        now, passed = self._clock(), self._uptime()
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # then it begins anew
            with open(self._path, "rb") as file:
                mark = json.load(file)
            since = passed - float(mark["uptime"])
            steady = went_steadily(by_clock_s=now - float(mark["at"]), passed_s=since)
            if mark["boot_id"] == boot.boot_id() and steady:
                return since >= _STEADY_S
        with contextlib.suppress(OSError):  # a full disk: then nothing is removed that was not already
            records.write(self._path, json.dumps({"at": now, "uptime": passed, "boot_id": boot.boot_id()}).encode())
        return False
