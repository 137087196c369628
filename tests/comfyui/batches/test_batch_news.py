"""The end of a batch is told to whoever made it, in words, once; and again if it was opened again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from mcp_background_job.comfyui.batches.batch_view import BatchView
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.reports.batch_news import BatchNews, subject_of
from mcp_background_job.core.comfyui.batch import Batch, Counts, status_of
from mcp_background_job.core.news import Reader, Way
from mcp_background_job.executors.places import Places
from mcp_background_job.jobs.news import JobNews, Several
from mcp_background_job.registry.news_memory import MemoryNews
from tests.places.memory import MemoryNames, MemoryPlace

ME, OTHER = Reader("claude@/work/a"), Reader("codex@/work/a")


class _Journal:
    """What is known of batches, in the place of ``comfyui.batches``."""

    def __init__(self) -> None:
        self.views: dict[str, BatchView] = {}

    @property
    def batches(self) -> _Journal:
        return self

    def put(self, batch_id: str, counts: Counts, **values: Any) -> None:
        batch = Batch(batch_id=batch_id, server="http://here", created_at=1.0, **values)
        status = status_of(counts, cancel_requested=batch.cancel_requested, paused=batch.is_paused)
        self.views[batch_id] = BatchView(batch, counts, status)

    async def glance(self, batch_id: str) -> BatchView | None:
        return self.views.get(batch_id)


@pytest.fixture
def journal() -> _Journal:
    return _Journal()


@pytest.fixture
def news(journal: _Journal) -> Iterator[JobNews]:
    async def opened() -> ComfyUI:
        return cast("ComfyUI", journal)

    news = JobNews(Places([MemoryPlace()], MemoryNames()), MemoryNews)
    news.others = Several(BatchNews(opened))
    yield news
    news.close()


async def told(news: JobNews, reader: Reader = ME, *shown: str) -> list[str]:
    return [sentence.rpartition(",")[0] for sentence in await news.to_tell(reader, Way.ANSWER, shown=shown)]


@pytest.mark.parametrize(
    ("counts", "values", "said"),
    [
        (Counts(succeeded=3), {}, "batch b1 succeeded, 3 of 3 succeeded"),
        (Counts(succeeded=3), {"note": "cats"}, "batch b1 “cats” succeeded, 3 of 3 succeeded"),
        (Counts(succeeded=197, failed=3), {}, "batch b1 failed: 3 of 200"),
        (
            Counts(succeeded=1, failed=1, canceled=4),
            {"cancel_requested_at": 2.0},
            "batch b1 cancelled on request, 1 of 6 succeeded",
        ),
        (Counts(succeeded=1, canceled=1), {}, "batch b1 cancelled, 1 of 2 succeeded"),
    ],
)
async def test_an_end_is_told_once_to_whoever_awaits_it(
    news: JobNews, journal: _Journal, counts: Counts, values: dict[str, Any], said: str
) -> None:
    news.expect(ME, [subject_of("b1")])
    journal.put("b1", Counts(pending=1))
    assert await told(news) == []
    journal.put("b1", counts, ended_at=9.0, **values)
    assert await told(news, OTHER) == []
    assert await told(news) == [said]
    assert await told(news) == []


async def test_a_batch_that_was_opened_again_is_told_again(news: JobNews, journal: _Journal) -> None:
    news.expect(ME, [subject_of("b1")])
    journal.put("b1", Counts(succeeded=1, failed=1), ended_at=9.0)
    assert len(await told(news)) == 1
    news.expect(ME, [subject_of("b1")])
    assert await told(news) == [], "it is over as it was"
    news.expect(ME, [subject_of("b1")])
    journal.put("b1", Counts(succeeded=2), ended_at=19.0)
    assert await told(news) == ["batch b1 succeeded, 2 of 2 succeeded"]


async def test_an_end_that_the_answer_itself_shows_is_not_told_beside_it(news: JobNews, journal: _Journal) -> None:
    news.expect(ME, [subject_of("b1")])
    journal.put("b1", Counts(succeeded=2), ended_at=9.0)
    assert await told(news, ME, subject_of("b1")) == []
    assert await told(news) == []


async def test_a_batch_that_there_is_no_more_is_not_awaited(news: JobNews, journal: _Journal) -> None:
    news.expect(ME, [subject_of("b1")])
    assert await told(news) == []
    journal.put("b1", Counts(succeeded=2), ended_at=9.0)
    assert await told(news) == []
