"""What a feeder decides, as a whole table."""

from __future__ import annotations

import pytest

from mcp_background_job.comfyui.batches.feeder_plan import REASONS, Fate, backoff_s, fate_of
from mcp_background_job.comfyui.prompts.cancel_plan import Place
from mcp_background_job.core.comfyui.submission import Stage

FLAGS = [(server_is_new, has_run) for server_is_new in (False, True) for has_run in (False, True)]
SENT = [Stage.SENDING, Stage.ACCEPTED]

#: Of a prompt that the server does not have: its stage, whether the server is new, whether it was heard to run.
ABSENT = {
    # Never answered, and not there: it did not arrive, whatever else is known.
    **{(Stage.SENDING, *flags): Fate.AGAIN for flags in FLAGS},
    (Stage.ACCEPTED, True, False): Fate.AGAIN,
    # It was cut off: the server that ran it is gone.
    (Stage.ACCEPTED, True, True): Fate.AGAIN,
    (Stage.ACCEPTED, False, False): Fate.TAKEN_OUT,
    # To send it again might run it twice.
    (Stage.ACCEPTED, False, True): Fate.FORGOTTEN,
}

PLACES = {Place.RUNNING: Fate.KEEP, Place.PENDING: Fate.KEEP, Place.ENDED: Fate.SETTLE}


@pytest.mark.parametrize(("server_is_new", "has_run"), FLAGS)
@pytest.mark.parametrize("stage", SENT)
@pytest.mark.parametrize("place", Place)
def test_the_fate_of_a_prompt_is_what_the_table_says(
    place: Place, stage: Stage, *, server_is_new: bool, has_run: bool
) -> None:
    wanted = ABSENT[stage, server_is_new, has_run] if place is Place.ABSENT else PLACES[place]
    assert fate_of(place, stage=stage, server_is_new=server_is_new, has_run=has_run) is wanted


def test_what_may_have_run_on_the_same_server_is_never_sent_again() -> None:
    for stage in SENT:
        for place in Place:
            if stage is Stage.ACCEPTED or place is not Place.ABSENT:
                assert fate_of(place, stage=stage, server_is_new=False, has_run=True) is not Fate.AGAIN


def test_every_fate_that_the_history_does_not_tell_has_its_reason_in_words() -> None:
    assert set(REASONS) == {Fate.AGAIN, Fate.TAKEN_OUT, Fate.FORGOTTEN}
    assert all(REASONS.values())


@pytest.mark.parametrize(("failures", "pause_s"), [(1, 5), (2, 10), (3, 30), (4, 60), (5, 60), (1000, 60)])
def test_a_silent_server_is_asked_less_and_less_often_but_always_again(failures: int, pause_s: float) -> None:
    assert backoff_s(failures) == pause_s
