"""The exit codes that all commands share, and how an error becomes one.

A job's own exit code is passed on, and 128 + n means signal n, as in a shell. 124 means that a wait took too long, and
125 that this program failed, as with ``timeout`` and ``env``. Each feature has a table of what its commands exit with:
``exit_codes.TABLE`` of ``cli.jobs``, ``cli.comfyui``, ``cli.runs`` and ``cli.hooks``. The command that ``HELP`` names
prints them. ``docs/reference/command-line.md`` has them too, and a test compares them.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable

from mcp_background_job.cli.wording import PROGRAM
from mcp_background_job.errors import (
    AgentMissingError,
    BackgroundJobError,
    ConfigError,
    InvalidRequestError,
    JobEndedError,
    LifecycleError,
    RelaunchError,
    RunStateError,
    StdinClosedError,
    SurvivorsError,
    UnknownBatchError,
    UnknownJobError,
    UnknownRunError,
    UnknownSessionError,
    UnreachableError,
)

OK = 0
UNMET = 1
USAGE = 2
FAILED = 3
STOPPED = 4
WEDGED = 5
UNREACHABLE = 6
REFUSED = 7
NOT_FOUND = 8
TIMED_OUT = 124
TROUBLE = 125
SIGNALLED = 128
INTERRUPTED = SIGNALLED + signal.SIGINT
OUTPUT_CLOSED = SIGNALLED + signal.SIGPIPE

#: What ``--help`` says of them.
HELP = f"Exit codes: {PROGRAM} exit-codes"


def of_error(error: BackgroundJobError) -> int:
    """Return the exit code for an error."""
    if isinstance(error, InvalidRequestError | ConfigError):
        return USAGE
    if isinstance(error, UnreachableError):
        return UNREACHABLE
    if isinstance(error, SurvivorsError):
        return UNMET
    if isinstance(error, UnknownJobError | UnknownBatchError | UnknownSessionError | UnknownRunError):
        return NOT_FOUND
    refusals = LifecycleError | RelaunchError | AgentMissingError | RunStateError | JobEndedError | StdinClosedError
    return REFUSED if isinstance(error, refusals) else TROUBLE


def of_several(codes: Iterable[int]) -> int:
    """Return the exit code for several things that were waited for: the first that is not 0."""
    return next((code for code in codes if code), OK)
