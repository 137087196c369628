"""A ComfyUI that is being started is told as that: nothing is wrong with it yet, and with what it brings back."""

from __future__ import annotations

import pytest

from mcp_background_job.comfyui.batches.server_queue import PausedQueue
from mcp_background_job.comfyui.prompts.catalogue import Row
from mcp_background_job.comfyui.prompts.prompts import Prompt
from mcp_background_job.comfyui.reports import page_report
from mcp_background_job.comfyui.reports.report import Report
from mcp_background_job.comfyui.reports.status import Status
from mcp_background_job.comfyui.wire.node_outputs import Made
from mcp_background_job.comfyui.wire.trouble import Trouble, unreachable
from mcp_background_job.core.comfyui.submission import End, Stage, Submission
from mcp_background_job.core.job import Job
from mcp_background_job.core.states import State

URL = "http://127.0.0.1:8188"


def _told(state: State | None) -> Report:
    job = Job(job_id="jstart", command="python main.py", cwd="/", state=state, created_at=0.0) if state else None
    trouble = unreachable(URL, Trouble.REFUSED, "connection refused", is_near=True)
    return page_report.of_queue(Status(URL, trouble, job=job, crash="it crashed"), PausedQueue(is_paused=False), [])


def test_what_starts_is_no_trouble() -> None:
    told = _told(State.RUNNING)

    assert (told["reachable"], told["starting"]) == (False, "jstart")
    assert told["alerts"] == ["it crashed"], "which is true all the same"


@pytest.mark.parametrize("state", [State.EXITED, None])
def test_what_does_not_is(state: State | None) -> None:
    told = _told(state)

    assert "starting" not in told
    assert "nothing listens there" in told["alerts"][0]


@pytest.mark.parametrize(("requeue", "cause"), [(True, "It is submitted again"), (False, "keeps no queue")])
def test_of_a_prompt_that_a_restart_has_ended_is_told_whether_it_comes_again(*, requeue: bool, cause: str) -> None:
    known = Submission(
        prompt_id="p", server=URL, submitted_at=0.0, graph="{}", stage=Stage.ACCEPTED, end=End.LOST, requeue=requeue
    )
    prompt = Prompt("p", "lost_to_restart", "ComfyUI keeps no queue over a restart", submission=known)

    assert cause in page_report.of_row(Row(prompt), Made(), {})["cause"]
