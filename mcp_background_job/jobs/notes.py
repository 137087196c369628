"""What every answer says of a live job beside its status: what would else be taken for something it is not."""

from __future__ import annotations

import time
from collections.abc import Sequence

from mcp_background_job.core.aftermath import background, how, short
from mcp_background_job.core.schedule import RUNS
from mcp_background_job.core.text import duration
from mcp_background_job.executors.usage import Usage
from mcp_background_job.jobdir.records import Status

#: Of so many processes or jobs a sentence tells which they are.
_MAX_NAMED = 3
_MAX_JOBS_NAMED = 10

#: Characters of a prompt that a sentence repeats: its end, where the question is.
_MAX_PROMPT = 120

_WAYS_TO_LET_GO = (
    "waiting for the job waits for their end, killing it ends them, "
    'and a job started with leftovers="kill" ends with its shell'
)

_BEING_ENDED = 'they are being ended, since the job was started with leftovers="kill"'

STOPPED = "stopped: its command is suspended (SIGSTOP, or ctrl-z on its terminal) until SIGCONT"


def survivors(pids: Sequence[int]) -> str:
    """Return the sentence on what SIGKILL has not ended."""
    return f"processes {', '.join(map(str, pids))} survived SIGKILL"


def failures(status: Status) -> list[str]:
    """Return the sentences on what failed although its shell may not have."""
    return ([status.hidden] if status.hidden else []) + [background(**vars(failure)) for failure in status.failures]


def left_running(status: Status, usage: Usage | None, *, are_leftovers_ended: bool) -> str:
    """Return the sentence on processes that outlive their shell: who they are, if ``usage`` tells, and what of them."""
    stop = status.stop_requested
    if stop is not None:
        what = f"they are being ended: {stop.why} ({stop.signal}, asked by {stop.by})"
    else:
        what = _BEING_ENDED if are_leftovers_ended else _WAYS_TO_LET_GO
    return f"{_left(status, usage)}; {what}"


def _left(status: Status, usage: Usage | None) -> str:
    end = status.leader_exit
    ended = how(end.exit_code, end.signal) if end else "has ended"
    if usage is None or not usage.processes:
        return f"shell {ended}, processes that it started run on"
    named = [f"{pid} `{short(command)}`" for pid, command in list(usage.commands.items())[:_MAX_NAMED]]
    more = usage.processes - len(named)
    who = ", ".join(named) + (f" and {more} more" if named and more > 0 else "")
    count = f"{usage.processes} background process{'' if usage.processes == 1 else 'es'} alive"
    return f"shell {ended}, {count}" + (f": {who}" if who else "")


def stale(since: float | None) -> str | None:
    """Return the sentence on a cluster that has not answered since then (seconds since the epoch), if it has not."""
    if since is None:
        return None
    if not since:
        return "the cluster does not answer"
    return f"the cluster has not answered for {duration(time.time() - since)}: this is what was known then"


def waits_for_input(prompt: str) -> str:
    """Return the sentence on a job that waits for input, with what it asks, if it asks anything."""
    asked = " ".join(prompt.split())
    asked = asked if len(asked) <= _MAX_PROMPT else f"…{asked[1 - _MAX_PROMPT :]}"
    return f"waits for input: {asked}" if asked else "waits for input"


def waits_for_jobs(waited_for: Sequence[str]) -> str:
    """Return the sentence on a job that starts after others; of each it is told who it is and how it is doing."""
    return f"starts when these have completed: {_listed(waited_for)}"


def waits_for_room(limit: int, running: Sequence[str]) -> str:
    """Return the sentence on a job that starts when fewer jobs run, which those that run are named in."""
    return f"starts when fewer than {limit} jobs run (MCP_BG_MAX_JOBS); now run {_listed(running)}"


def waits_for_pool(pool: str, limit: int, running: Sequence[str]) -> str:
    """Return the sentence on a job that starts when others of its kind have ended, which are named in it."""
    if pool == RUNS:
        return f"starts when fewer than {limit} agents run (MCP_BG_MAX_RUNS); now run {_listed(running)}"
    return f"starts when fewer than {limit} of {pool} run; now run {_listed(running)}"


def started_after(ended: Sequence[str]) -> str:
    """Return the sentence on jobs that one was started after although they hide failures; of each, how it ended."""
    return f"started after {_listed(ended)}"


def of_dependency(label: str, how: str) -> str:
    """Return how a job is doing that another waits for."""
    return f"{label} ({how})"


def _listed(items: Sequence[str]) -> str:
    more = len(items) - _MAX_JOBS_NAMED
    return ", ".join(items[:_MAX_JOBS_NAMED]) + (f" and {more} more" if more > 0 else "")
