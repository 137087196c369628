"""Advice about a prompt that resists a cancel: it can be followed where the ComfyUI is."""

from __future__ import annotations

import pytest

from mcp_background_job.cli.wording import typed
from mcp_background_job.comfyui.prompts.cancel import Cancelled
from mcp_background_job.comfyui.prompts.cancel_plan import Verdict
from mcp_background_job.comfyui.prompts.wedge import Wedge
from mcp_background_job.comfyui.reports.report import of_cancel


@pytest.mark.parametrize("wedge", Wedge)
def test_a_comfyui_on_another_machine_is_to_be_restarted_there(wedge: Wedge) -> None:
    stuck = Cancelled(Verdict.WEDGED, "p1", wedge=wedge, far_host="render-box")
    advice = of_cancel(stuck)["advice"]
    assert "render-box" in advice
    assert "restart_comfyui" not in advice
    assert 'comfyui_submit(prompt_id="ID")' in advice


def test_a_comfyui_on_another_machine_that_died_is_to_be_started_there() -> None:
    assert "restart_comfyui" not in of_cancel(Cancelled(Verdict.SERVER_DIED, "p1", far_host="10.0.0.7"))["advice"]
    assert "restart_comfyui" in of_cancel(Cancelled(Verdict.SERVER_DIED, "p1"))["advice"]


def test_a_stopped_process_is_to_go_on_before_it_is_restarted() -> None:
    stuck = Cancelled(Verdict.WEDGED, "p1", wedge=Wedge.HTTP_DEAD, suspended_pid=4711)
    go_on, _, restart = of_cancel(stuck)["advice"].partition("kill -CONT 4711")
    assert "restart" not in go_on
    assert "restart_comfyui" in restart


def test_the_prompt_to_look_at_again_is_named() -> None:
    advice = of_cancel(Cancelled(Verdict.WEDGED, "p1", wedge=Wedge.BUSY_STEP))["advice"]
    assert "mcp-background-job comfyui job p1." in typed(advice)
    assert "ID" not in advice
