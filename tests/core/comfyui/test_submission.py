"""What a submission says of itself."""

from __future__ import annotations

import pytest

from mcp_background_job.core.comfyui.submission import End, Stage, Submission


@pytest.mark.parametrize(
    ("stage", "end", "is_open"),
    [
        (Stage.WAITING, None, False),
        (Stage.SENDING, None, True),
        (Stage.ACCEPTED, None, True),
        (Stage.REFUSED, None, False),
        *[(stage, end, False) for stage in Stage for end in End],
    ],
)
def test_what_was_sent_and_not_refused_and_has_no_end_is_open(stage: Stage, end: End | None, *, is_open: bool) -> None:
    submission = Submission(
        prompt_id="one", server="http://one", submitted_at=1.0, graph="{}", stage=stage, end=end, requeue=True
    )

    assert submission.is_open is is_open


@pytest.mark.parametrize("end", [None, *End])
@pytest.mark.parametrize("stage", Stage)
def test_only_what_was_never_sent_and_has_no_end_waits(stage: Stage, end: End | None) -> None:
    submission = Submission(
        prompt_id="one", server="http://one", submitted_at=1.0, graph="", stage=stage, end=end, batch_id="b1"
    )

    assert submission.is_waiting is (stage is Stage.WAITING and end is None)


def test_words_that_are_stored_stay_the_same() -> None:
    assert [*Stage] == ["waiting", "sending", "accepted", "refused"]
    assert [*End] == ["completed", "failed", "cancelled", "lost_to_restart"]
