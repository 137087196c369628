"""The exit codes of the command line, all in one place; ``--help`` prints this table.

They follow what shells, ``timeout`` and ``env`` do: a job's own exit code is passed on, 124 is a time that ran out, 125
is trouble of ours, and 128 + n stands for signal n.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable

from mcp_background_job.core.job import Job
from mcp_background_job.core.states import Outcome
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
RENDER_FAILED = RUN_FAILED = 3
RENDER_STOPPED = RUN_STOPPED = 4
WEDGED = 5
UNREACHABLE = 6
REFUSED = 7
NOT_FOUND = 8
TIMED_OUT = 124
TROUBLE = 125
_SIGNALLED = 128
INTERRUPTED = _SIGNALLED + signal.SIGINT
OUTPUT_CLOSED = _SIGNALLED + signal.SIGPIPE

#: One line each, for ``--help``.
TABLE = """\
Exit codes:

* 0: done; `wait` and `run --follow`: the job completed
* 1: `wait`: --fail-on was found, or the job completed before --until was; `doctor`: something is wrong; `kill`: a
  process of the job is alive, or may be
* 2: wrong usage, an argument or a setting that cannot be used
* 3 to 6: `comfyui` and `runs`: see `comfyui --help` and `runs --help`
* 7: refused: the job has ended, or takes no input
* 8: there is no such job
* 124: `wait --timeout` ran out
* 125: an error of ours, output that cannot be written, or a job that did not complete and has no exit code that says
  so: lost, never started, stopped
* 128+n: `wait` and `run --follow`: signal n ended the job; also 130 for Ctrl-C, 141 when nobody reads our output
* any other: `wait` and `run --follow`: the job's own exit code

Of several jobs, `wait` passes on the first code that is not 0, and `kill` the worst: 1, 125, 7, 2, 8, in this order.
"""

#: The same for the group ``comfyui``.
COMFYUI_TABLE = """\
Exit codes:

* 0: done; `job`, `batch`, `submit --wait` and `--follow`: all of it completed; `cancel`: it is over,
  or nothing more of a batch is sent
* 1: not all was done: a prompt that runs was left alone, stays in the queue, or was not submitted again; `download`: a
  file is missing; `stop` and `restart`: a process of ComfyUI is alive
* 2: wrong usage, an argument, a workflow or a setting that cannot be used
* 3: the render failed, or some of the batch did
* 4: `job`, `batch` and `submit`: the render or the batch was cancelled, or the render lost to a restart
* 5: `cancel` and `batch cancel`: ComfyUI is wedged, and only a restart stops the render
* 6: ComfyUI is unreachable, or died meanwhile: nothing is known of its queue
* 7: refused, by ComfyUI or by us: nothing was submitted, or nothing was ended
* 8: there is no such prompt, batch or session, or no prompt that runs
* 124: `--wait` ran out: the render or the batch goes on, or ComfyUI is not ready yet
* 125: an error of ours, or a ComfyUI that ended while it started
* 130: Ctrl-C; a render or a batch that was followed goes on
"""

#: The same for the group ``runs``.
RUNS_TABLE = """\
Exit codes:

* 0: done; `events` and `show` of a run that is over: it completed; `cancel`: nothing of it is left
* 1: `cancel`: processes of the run are still alive
* 2: wrong usage, an argument or a setting that cannot be used
* 3: `events` and `show`: the run failed
* 4: `events` and `show`: the run was cancelled, or the agent refused it
* 7: refused: the agent's program is missing or too old, or the run is not in a state for this
* 8: there is no such run
* 125: an error of ours
* 130: Ctrl-C; a run that was followed goes on
"""

#: The same for the group ``hook``.
HOOK_TABLE = """\
Exit codes:

* 0: always; what went wrong stands on stderr, and the client goes on as without the hook
"""

_OF_RUN = {
    "failed": RUN_FAILED,
    "cancelled": RUN_STOPPED,
    "rejected": RUN_STOPPED,
}
_OF_PROMPT = {
    "completed": OK,
    "pending": OK,
    "in_progress": OK,
    "failed": RENDER_FAILED,
    "cancelled": RENDER_STOPPED,
    "lost_to_restart": RENDER_STOPPED,
    "not_sent": REFUSED,
    "refused": REFUSED,
}
_OF_CANCEL = {
    "cancelled": OK,
    "finished_before_cancel": OK,
    "failed": RENDER_FAILED,
    "wedged": WEDGED,
    "server_died": UNREACHABLE,
    "unreachable": UNREACHABLE,
    "not_found": NOT_FOUND,
    "nothing_running": NOT_FOUND,
    "running": UNMET,
    "pending": UNMET,
}
_OF_BATCH = {
    "pending": OK,
    "running": OK,
    "paused": OK,
    "canceling": OK,
    "succeeded": OK,
    "failed": RENDER_FAILED,
    "canceled": RENDER_STOPPED,
}
_OF_LIFECYCLE = {
    "started": OK,
    "already_running": OK,
    "restarted": OK,
    "stopped": OK,
    "not_running": OK,
    "starting": TIMED_OUT,
    "queued": TIMED_OUT,
    "requested": TIMED_OUT,
    "failed": TROUBLE,
}
_OF_DOWNLOAD = {
    "downloaded": OK,
    "incomplete": UNMET,
    "unreachable": UNREACHABLE,
    "not_found": NOT_FOUND,
}


#: Of what several jobs came to, as far as they can differ: what lives on although it should be dead, what nobody knows,
#: what was not done, and what is not there.
_WORST_FIRST = (UNMET, TROUBLE, REFUSED, USAGE, NOT_FOUND)


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


def of_errors(errors: Iterable[BackgroundJobError]) -> int:
    """Return the exit code for several errors of one command: the worst, whatever their order; 0 for none."""
    codes = {of_error(error) for error in errors}
    return next((code for code in _WORST_FIRST if code in codes), OK)


def of_run(status: str) -> int:
    """Return the exit code for how a run of an agent is doing, or ended."""
    return _OF_RUN.get(status, OK)


def of_prompt(status: str, reason: str) -> int:
    """Return the exit code for how a prompt of ComfyUI is doing, or ended."""
    if status == "unknown":
        return UNREACHABLE if reason.startswith("unreachable") else NOT_FOUND
    return _OF_PROMPT[status]


def of_cancel(status: str) -> int:
    """Return the exit code for what became of a request to cancel a prompt."""
    return _OF_CANCEL[status]


def of_batch(status: str) -> int:
    """Return the exit code for how a batch is doing, or ended."""
    return _OF_BATCH[status]


def of_lifecycle(status: str) -> int:
    """Return the exit code for what a start, stop or restart of ComfyUI came to."""
    return _OF_LIFECYCLE[status]


def of_download(status: str) -> int:
    """Return the exit code for what came of a download of outputs of ComfyUI."""
    return _OF_DOWNLOAD[status]


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
