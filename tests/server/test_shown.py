"""What an answer shows of runs is not told beside it; and what it does not show is."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_background_job.server.shown import shown_in

_ASKS = {"seq": 4, "type": "input_required", "data": {"text": "may it?"}}


@pytest.mark.parametrize(
    ("row", "is_shown"),
    [
        ({"status": "running"}, False),
        ({"status": "completed"}, True),
        ({"status": "failed", "error": "x"}, True),
        ({"status": "input_required", "pending_request": _ASKS}, True),
        ({"status": "auth_required", "pending_request": _ASKS}, True),
        ({"status": "input_required", "events": [_ASKS]}, True),
        ({"status": "input_required"}, False),
        ({"status": "auth_required", "pending_request": None}, False),
        ({"status": "input_required", "events": []}, False),
    ],
)
def test_a_question_is_shown_by_its_words_and_not_by_the_status_alone(row: dict[str, Any], *, is_shown: bool) -> None:
    told = {"run_id": "r1", **row}
    expected: set[str] = {"r1"} if is_shown else set()
    assert shown_in(told) == expected
    assert shown_in({"runs": [told, {"run_id": "r2", "status": "queued"}]}) == expected
