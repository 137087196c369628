from __future__ import annotations

import re
from pathlib import Path

import pytest

import mcp_background_job
from mcp_background_job.cli.comfyui import exit_codes
from mcp_background_job.cli.exit_codes import NOT_FOUND, of_error
from mcp_background_job.cli.main import with_current_session
from mcp_background_job.cli.wording import typed
from mcp_background_job.comfyui.prompts.cancel_plan import Verdict
from mcp_background_job.core.comfyui.batch import TERMINAL, BatchStatus
from mcp_background_job.core.comfyui.submission import End
from mcp_background_job.errors import BackgroundJobError, UnknownBatchError, UnknownSessionError
from tests.server.test_tool_list import COMFYUI_TOOLS

SOURCES = Path(mcp_background_job.__file__).parent / "comfyui"


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_has_an_exit_code_and_only_what_is_over_gives_0(verdict: Verdict) -> None:
    over = verdict in (Verdict.CANCELLED, Verdict.FINISHED)
    assert (exit_codes.of_cancel(verdict) == 0) == over


@pytest.mark.parametrize("end", End)
def test_every_end_has_an_exit_code_and_only_success_gives_0(end: End) -> None:
    assert (exit_codes.of_prompt(end, "") == 0) == (end is End.COMPLETED)


@pytest.mark.parametrize("status", BatchStatus)
def test_every_status_of_a_batch_has_an_exit_code_and_no_end_but_success_gives_0(status: BatchStatus) -> None:
    assert (exit_codes.of_batch(status) == 0) == (status not in TERMINAL or status is BatchStatus.SUCCEEDED)


@pytest.mark.parametrize("error", [UnknownBatchError, UnknownSessionError])
def test_what_does_not_exist_has_the_exit_code_of_that(error: type[BackgroundJobError]) -> None:
    assert of_error(error("there is none")) == NOT_FOUND


def test_every_outcome_of_a_lifecycle_action_has_an_exit_code() -> None:
    text = (SOURCES / "lifecycle" / "outcome.py").read_text()
    described = re.search(r"status: (.*?)\.\n", text, re.DOTALL)
    assert described
    words = re.findall(r"\w+", described[1].replace(" or ", " "))
    assert len(words) > 5
    for word in words:
        assert exit_codes.of_lifecycle(word) in (0, 124, 125)


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        (
            'Only restart_comfyui(force=true, requeue="pending") ends it',
            "Only mcp-background-job comfyui restart --force --requeue pending ends it",
        ),
        (
            'wait_for_job("j1a", until="port:8188")',
            "mcp-background-job wait j1a --until port:8188",
        ),
        ("it is down (start_comfyui, COMFYUI_URL)", "it is down (mcp-background-job comfyui start, COMFYUI_URL)"),
        ("look again with comfyui_job. The", "look again with mcp-background-job comfyui job. The"),
        ('force=true goes ahead; requeue="pending" does', "--force goes ahead; --requeue pending does"),
        ("look again (comfyui_batch)", "look again (mcp-background-job comfyui batch)"),
        ("max_queued=0: at least one", "--max-queued 0: at least one"),
        ("prompt_timeout_s=-1: more than 0 seconds", "--prompt-timeout -1: more than 0 seconds"),
        ('a node named "force" (true)', 'a node named "force" (true)'),
    ],
)
def test_a_sentence_for_agents_becomes_one_for_people(told: str, wanted: str) -> None:
    assert typed(told) == wanted


@pytest.mark.parametrize("tool", COMFYUI_TOOLS)
def test_no_tool_is_named_to_people(tool: str) -> None:
    assert tool not in typed(f"ask {tool} for it")


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("comfyui download --session", "comfyui download --session="),
        ("comfyui jobs --session --limit 3", "comfyui jobs --session= --limit 3"),
        ("comfyui download --session tea -o x", "comfyui download --session tea -o x"),
        ("run --session", "run --session"),
    ],
)
def test_a_session_without_a_value_is_the_current_one(line: str, meant: str) -> None:
    assert with_current_session(line.split()) == meant.split()
