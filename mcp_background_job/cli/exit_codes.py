"""The exit codes of the command line, all in one place; ``--help`` prints this table.

They follow what shells, ``timeout`` and ``env`` do: a job's own exit code is passed on, 124 is a time that ran out, 125
is trouble of ours, and 128 + n stands for signal n.
"""

from __future__ import annotations

import signal

from mcp_background_job.core.job import Job
from mcp_background_job.core.states import Outcome
from mcp_background_job.errors import BackgroundJobError, ConfigError, InvalidRequestError

OK = 0
UNMET = 1
USAGE = 2
TIMED_OUT = 124
TROUBLE = 125
_SIGNALLED = 128
INTERRUPTED = _SIGNALLED + signal.SIGINT
OUTPUT_CLOSED = _SIGNALLED + signal.SIGPIPE

#: One line each, for ``--help``.
TABLE = """\
Exit codes:

* 0: done; `wait` and `run --follow`: the job completed
* 1: `wait`: --fail-on was found, or the job completed before --until was; `doctor`: something is wrong
* 2: wrong usage, an argument or a setting that cannot be used
* 124: `wait --timeout` ran out
* 125: an error of ours, or a job that did not complete and has no exit code that says so: lost, never started, stopped
* 128+n: `wait` and `run --follow`: signal n ended the job; also 130 for Ctrl-C, 141 when nobody reads our output
* any other: `wait` and `run --follow`: the job's own exit code
"""


def of_error(error: BackgroundJobError) -> int:
    """Return the exit code for an error."""
    return USAGE if isinstance(error, InvalidRequestError | ConfigError) else TROUBLE


def of_job(job: Job) -> int:
    """Return the exit code for how a job ended; only one that completed gives 0."""
    if job.outcome is Outcome.COMPLETED:
        return OK
    if job.exit_code:
        return job.exit_code
    return TROUBLE if job.signal is None else _of_signal(job.signal)


def _of_signal(name: str) -> int:
    try:
        return _SIGNALLED + signal.Signals[name].value
    except KeyError:  # recorded on a system that has more of them
        return TROUBLE


def of_several(codes: list[int]) -> int:
    """Return the exit code for several jobs: the first that is not 0."""
    return next((code for code in codes if code), OK)
