"""Of which batches another prompt may be sent."""

from __future__ import annotations

import pytest

from mcp_background_job.comfyui.batches.feeder_plan import whose_turn
from mcp_background_job.core.comfyui.batch import Batch


def _batch(batch_id: str, **values: object) -> Batch:
    given: dict[str, object] = {"max_queued": 2, **values}
    return Batch(batch_id=batch_id, server="http://here", created_at=1.0, **given)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("batches", "at_server", "turn"),
    [
        ([], {}, []),
        ([_batch("a")], {}, ["a"]),
        ([_batch("a")], {"a": 1}, ["a"]),
        ([_batch("a")], {"a": 2}, []),
        ([_batch("a"), _batch("b")], {"a": 1}, ["a", "b"]),
        ([_batch("a"), _batch("b")], {"a": 1, "b": 1}, []),
        ([_batch("a", max_queued=1), _batch("b", max_queued=3)], {"a": 1, "b": 1}, ["b"]),
        ([_batch("a", max_queued=1), _batch("b", max_queued=3)], {"a": 1, "b": 2}, []),
        ([_batch("a", paused_at=1.0), _batch("b")], {}, ["b"]),
        ([_batch("a", paused_at=1.0), _batch("b")], {"a": 2}, []),
        ([_batch("a", cancel_requested_at=1.0), _batch("b", max_queued=1)], {}, ["b"]),
        ([_batch("a", paused_at=1.0, max_queued=9), _batch("b")], {"b": 2}, []),
        ([_batch("a", paused_at=1.0)], {}, []),
    ],
)
def test_each_keeps_to_its_limit_and_all_to_the_largest(
    batches: list[Batch], at_server: dict[str | None, int], turn: list[str]
) -> None:
    assert whose_turn(batches, at_server) == turn
