"""Sentences about prompts that a restart cuts off: every kind is counted, and advice fits what was asked for."""

from __future__ import annotations

import pytest

from mcp_background_job.comfyui.lifecycle.carry_over import Luggage, Requeue, why_lost
from mcp_background_job.comfyui.lifecycle.checks import Action, check_idle
from mcp_background_job.core.comfyui.submission import Stage, Submission
from mcp_background_job.errors import LifecycleError


def _prompts(*names: str, graph: str = "{}") -> tuple[Submission, ...]:
    return tuple(
        Submission(prompt_id=name, server="s", submitted_at=1.0, graph=graph, stage=Stage.ACCEPTED) for name in names
    )


_MIXED = Luggage(pending=_prompts("p"), of_batches=_prompts("b1", "b2"), cancelled=_prompts("c"))


@pytest.mark.parametrize(
    ("luggage", "action", "wanted"),
    [
        (Luggage(running=_prompts("r")), "stop", "1 running (r) would be lost. force=true goes ahead, and loses them"),
        (
            Luggage(running=_prompts("r"), pending=_prompts("p", "q")),
            "restart",
            '1 running (r), 2 pending (p, q) would be lost. force=true goes ahead. requeue="pending" submits',
        ),
        (
            _MIXED,
            "restart",
            (
                "1 pending (p) would be lost; 2 prompts of batches (b1, b2) would be cut off, and run again; 1 prompt "
                "of cancelled batches (c) would be cut off, and not run again. force=true goes ahead. requeue="
            ),
        ),
        (
            Luggage(of_batches=_prompts("b")),
            "restart",
            "1 prompt of batches (b) would be cut off, and run again. force=true goes ahead",
        ),
    ],
)
def test_a_refusal_counts_every_kind_of_prompt(luggage: Luggage, action: Action, wanted: str) -> None:
    with pytest.raises(LifecycleError) as refused:
        check_idle(luggage, action)
    assert str(refused.value).startswith(f"ComfyUI is busy: {wanted}")
    assert ("requeue" in str(refused.value)) == (action == "restart" and bool(luggage.all))


def test_an_idle_one_is_not_refused() -> None:
    check_idle(Luggage(), "stop")


@pytest.mark.parametrize(
    ("running", "pending", "requeue", "wanted"),
    [
        (1, 1, "none", 'by default (requeue="none") nothing is submitted again'),
        (1, 0, "pending", 'requeue="pending" does not submit the running prompt again'),
        (1, 2, "pending", 'requeue="pending" does not submit the running prompt again'),
        (0, 2, "pending", ""),
        (1, 2, "all", ""),
        (0, 0, "none", ""),
    ],
)
def test_why_prompts_are_lost_fits_what_was_asked_for(
    running: int, pending: int, requeue: Requeue, wanted: str
) -> None:
    luggage = Luggage(running=_prompts(*"r" * running), pending=_prompts(*"pq"[:pending]))
    again = {"none": (), "pending": luggage.pending, "all": luggage.all}[requeue]
    told = why_lost(luggage, requeue, again)
    assert told.startswith(wanted)
    assert bool(told) == bool(wanted)
    assert ("comfyui_submit(prompt_id=" in told) == bool(wanted)


def test_a_prompt_of_which_the_workflow_is_not_known_cannot_be_submitted_again() -> None:
    assert "workflow" in why_lost(Luggage(running=_prompts("r", graph="")), "all", ())
