"""The actions on jobs, in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp_background_job.actions.action import Action, Effects
from mcp_background_job.actions.jobs.control import Controlling
from mcp_background_job.actions.jobs.killing import Killing
from mcp_background_job.actions.jobs.listing import Listing
from mcp_background_job.actions.jobs.look import Looking
from mcp_background_job.actions.jobs.output import Reading
from mcp_background_job.actions.jobs.report import (
    JobResult,
    JobsResult,
    RestartResult,
    StatusAnywhereResult,
    StatusResult,
)
from mcp_background_job.actions.jobs.start import Execute, ExecuteAnywhere, Expect, Starting
from mcp_background_job.actions.jobs.waiting import Waiting
from mcp_background_job.actions.opening import Opened
from mcp_background_job.core.waiting import MAX_WAIT_S
from mcp_background_job.jobs.manager import JobManager

if TYPE_CHECKING:
    from mcp_background_job.agents.runs import RunManager


def job_actions(manager: JobManager, expect: Expect, runs: Opened[RunManager] | None = None) -> list[Action[Any, Any]]:
    """Return all actions on jobs; with ``runs``, they can wait for runs too."""
    starting, waiting = Starting(manager, expect), Waiting(manager, runs)
    # With a single machine, the tools do not mention others: each word in a list of tools costs tokens.
    is_alone = len(manager.places.names) == 1
    reading, controlling = Reading(manager), Controlling(manager)
    return [
        # The most used come first: a client that searches long lists of tools may show a model only the first few.
        Action(
            starting.execute_command,
            Effects.STARTS,
            MAX_WAIT_S,
            JobResult,
            f"The shell is {manager.shell}.",
            later=starting.later,
            asks=Execute if is_alone else ExecuteAnywhere,
        ),
        Action(waiting.wait_for_job, Effects.LOOKS, MAX_WAIT_S, later=waiting.later),  # one job or several: two forms
        Action(Killing(manager).kill_job, Effects.ENDS, MAX_WAIT_S),  # likewise
        Action(Looking(manager).get_job_status, Effects.LOOKS, form=StatusResult if is_alone else StatusAnywhereResult),
        Action(reading.tail_job_output, Effects.LOOKS),
        Action(reading.get_job_output, Effects.LOOKS),
        Action(controlling.interact_with_job, Effects.STARTS, MAX_WAIT_S),
        Action(starting.restart_job, Effects.STARTS, MAX_WAIT_S, RestartResult, later=starting.later),
        Action(Listing(manager).list_jobs, Effects.LOOKS, form=JobsResult),
    ]
