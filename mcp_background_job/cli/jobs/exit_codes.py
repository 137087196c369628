"""What the commands for jobs, and those that are in no group, exit with."""

from __future__ import annotations

import signal
from collections.abc import Iterable

from mcp_background_job.cli.exit_codes import (
    NOT_FOUND,
    OK,
    REFUSED,
    SIGNALLED,
    TROUBLE,
    UNMET,
    USAGE,
    of_error,
)
from mcp_background_job.core.job import Job
from mcp_background_job.core.states import Outcome
from mcp_background_job.errors import BackgroundJobError

#: What each code says.
TABLE = {
    "0": "The command did what it was asked to. `wait` and `run --follow`: the job completed.",
    "1": "`wait`: the output matched `--fail-on`, or the job completed before `--until` came true. `kill`: a process "
    "of the job is alive, or may be. `doctor` and `places`: something is wrong.",
    "2": "The usage is wrong, or an argument or a setting cannot be used.",
    "7": "`send`: the job has ended, or takes no input. `kill --signal-only`: the job has ended, or no process of it "
    "is known to handle the signal, which was not sent.",
    "8": "There is no such job.",
    "124": "`wait`: its `--timeout` ran out, and the job runs on. The job's own time limit (`run --timeout`) gives "
    "another code: see below.",
    "125": "An internal error; or the output cannot be written. `run`: the job will never start, since a job that it "
    "was to run after did not complete. `wait` and `run --follow`: the job is lost, was never "
    "started, or was stopped and exited with 0.",
    "128+n": "`wait` and `run --follow`: signal n ended the job: 143 for SIGTERM, 137 for SIGKILL.",
    "130": "Ctrl-C ended the command. A job that was waited for or followed runs on.",
    "141": "Nobody reads the output any more.",
    "any other": "`wait` and `run --follow`: the job's own exit code.",
}

#: Of what several jobs came to, as far as they can differ: what lives on although it should be dead, what nobody knows,
#: what was not done, and what is not there.
_WORST_FIRST = (UNMET, TROUBLE, REFUSED, USAGE, NOT_FOUND)


def of_errors(errors: Iterable[BackgroundJobError]) -> int:
    """Return the exit code for several errors of one command: the worst, whatever their order; 0 for none."""
    codes = {of_error(error) for error in errors}
    return next((code for code in _WORST_FIRST if code in codes), OK)


def of_job(job: Job) -> int:
    """Return the exit code for how a job ended; only one that completed gives 0."""
    if job.outcome is Outcome.COMPLETED:
        return OK
    if job.exit_code:
        return job.exit_code
    return TROUBLE if job.signal is None else _of_signal(job.signal)


def _of_signal(name: str) -> int:
    try:
        return SIGNALLED + signal.Signals[name].value
    except KeyError:  # recorded on a system that has more of them
        return TROUBLE
