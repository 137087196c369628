"""A job's name, label and status."""

from __future__ import annotations

import pytest

from mcp_background_job.core.job import Job, check_name
from mcp_background_job.core.states import Outcome, State
from mcp_background_job.errors import InvalidRequestError


@pytest.mark.parametrize("name", ["a", "A1", "train", "web-server_2.log", "9lives", "x" * 64])
def test_a_usable_name_is_returned_as_it_is(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "", " ", "a b", "-x", ".x", "_x", "x" * 65, "a/b", "..", "a\n", "\na", "na\u00efve", "a\0b", "\u0663",
        "a;rm", "$(x)",
        "`x`",
    ],
)  # fmt: skip
def test_an_unusable_name_is_refused_by_a_sentence_that_shows_it(name: str) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        check_name(name)

    assert repr(name) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_job_is_called_by_its_id_and_its_name() -> None:
    job = Job(job_id="j4k2", command="true", cwd="/", created_at=1.0, state=State.QUEUED)
    named = Job(job_id="j4k2", name="train", command="true", cwd="/", created_at=1.0, state=State.QUEUED)

    assert job.label == "j4k2"
    assert named.label == "j4k2 `train`"


def test_a_job_shows_the_status_of_its_state_and_outcome() -> None:
    job = Job(job_id="j4k2", command="true", cwd="/", created_at=1.0, state=State.EXITED, outcome=Outcome.TIMED_OUT)

    assert job.status == "timed_out"
