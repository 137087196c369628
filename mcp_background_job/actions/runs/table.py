"""The actions on runs of agents, in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp_background_job.actions.action import Action, Effects
from mcp_background_job.actions.opening import Opened
from mcp_background_job.actions.runs import forms
from mcp_background_job.actions.runs.mailing import Mailing
from mcp_background_job.actions.runs.running import CANCEL_S, POLL_S, Expect, Running, nobody

if TYPE_CHECKING:
    from mcp_background_job.agents.runs import RunManager


def mail_actions(opened: Opened[RunManager]) -> list[Action[Any, Any]]:
    """Return all actions on messages between agents."""
    mailing = Mailing(opened)
    return [
        Action(mailing.list_agents, Effects.LOOKS, form=forms.Agents),
        Action(mailing.send_agent_message, Effects.NOTES, form=forms.Sent),
        Action(mailing.fetch_agent_messages, Effects.NOTES, POLL_S, form=forms.Received),
    ]


def run_actions(opened: Opened[RunManager], expect: Expect = nobody) -> list[Action[Any, Any]]:
    """Return all actions on runs; ``expect`` is told which caller started which run."""
    running = Running(opened, expect)
    return [
        Action(running.spawn_run, Effects.STARTS, form=forms.Spawned, later=running.later),
        Action(running.get_run, Effects.LOOKS, form=forms.Known),
        Action(running.poll_events, Effects.LOOKS, POLL_S, form=forms.Polled),
        Action(running.cancel_run, Effects.ENDS, CANCEL_S, form=forms.Cancelled),
        Action(running.continue_run, Effects.STARTS, form=forms.Continued, later=running.later),
        Action(running.list_runs, Effects.LOOKS, form=forms.Listed),
        Action(running.get_event_artifact, Effects.LOOKS, form=forms.Piece),
    ]
