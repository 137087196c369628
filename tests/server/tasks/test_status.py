"""What a task is called: the rules."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.actions.later import Going, Question
from mcp_background_job.core.comfyui.batch import BatchStatus
from mcp_background_job.core.comfyui.submission import End
from mcp_background_job.core.run import TERMINAL as ENDS_OF_RUNS
from mcp_background_job.core.states import NOT_OVER, STATUSES
from mcp_background_job.server.tasks.status import TRANSITIONS, TaskStatus, of_end, of_going

_QUESTION = Question(mark="1", text="Sure?")

#: Every word that says how work has ended, and whether it says that somebody wanted that.
_ENDS = {
    **dict.fromkeys(set(STATUSES) - set(NOT_OVER), False),
    **dict.fromkeys(map(str, ENDS_OF_RUNS), False),
    **dict.fromkeys(map(str, End), False),
    str(BatchStatus.SUCCEEDED): False,
    str(BatchStatus.FAILED): False,
    str(BatchStatus.CANCELED): True,
    "killed": True,
    "cancelled": True,
}


def test_every_status_has_a_row_and_ends_never_change() -> None:
    assert set(TRANSITIONS) == set(TaskStatus)
    ends = {status for status, following in TRANSITIONS.items() if not following}
    assert ends == {TaskStatus.COMPLETED, TaskStatus.CANCELLED, TaskStatus.FAILED}


def test_work_that_was_ended_on_request_is_cancelled_and_any_other_end_is_a_result() -> None:
    found = {word: of_end(word, is_wait=False) for word in _ENDS}
    assert found == {
        word: TaskStatus.CANCELLED if is_wanted else TaskStatus.COMPLETED for word, is_wanted in _ENDS.items()
    }


@given(st.sampled_from(sorted(_ENDS)) | st.text())
def test_a_wait_completes_whatever_it_has_found(word: str) -> None:
    assert of_end(word, is_wait=True) is TaskStatus.COMPLETED


@given(st.booleans(), st.booleans())
def test_input_is_required_where_something_is_asked_and_somebody_can_be(asks: bool, can_ask: bool) -> None:  # noqa: FBT001
    status = of_going(Going(doing="", question=_QUESTION if asks else None), can_ask=can_ask)
    assert status is (TaskStatus.INPUT_REQUIRED if asks and can_ask else TaskStatus.WORKING)
    assert status in TRANSITIONS[TaskStatus.WORKING] | {TaskStatus.WORKING}
