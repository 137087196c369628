"""News of the ends of batches for the callers that made them: the feeder itself is a job that goes on for others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Protocol

from mcp_background_job.core.comfyui.batch import BatchStatus, spoken
from mcp_background_job.core.news import Item, Kind
from mcp_background_job.errors import BackgroundJobError
from mcp_background_job.jobs.news import Found

if TYPE_CHECKING:
    from mcp_background_job.comfyui.batches.batch_view import BatchView

#: Distinguishes a batch from a job and a run.
_PREFIX = "batch-"


def subject_of(batch_id: str) -> str:
    """Return the subject of the news about a batch."""
    return f"{_PREFIX}{batch_id}"


class _Batches(Protocol):
    async def glance(self, batch_id: str) -> BatchView | None: ...


class _HasBatches(Protocol):
    """The part of ComfyUI's control that is needed here."""

    @property
    def batches(self) -> _Batches: ...


class BatchNews:
    """Looks at batches; see ``jobs.news.Others``."""

    def __init__(self, opened: Callable[[], Awaitable[_HasBatches]]) -> None:
        """Takes a function that returns the control of ComfyUI, and makes it on the first call."""
        self._open = opened

    def has(self, subject: str) -> bool:
        """Tell whether the subject is a batch."""
        return subject.startswith(_PREFIX)

    async def look(self, subjects: Collection[str]) -> Found:
        """Look at batches, in the journal alone."""
        items: dict[str, Item | None] = {}
        gone: set[str] = set()
        try:
            batches = (await self._open()).batches
            for subject in subjects:
                view = await batches.glance(subject.removeprefix(_PREFIX))
                if view is None:
                    gone.add(subject)
                else:
                    items[subject] = _item_of(subject, view)
        except BackgroundJobError:  # the error is shown where the batch is asked for
            return Found()
        return Found(items, gone)


def _item_of(subject: str, view: BatchView) -> Item | None:
    batch = view.batch
    if batch.ended_at is None:
        return None
    # If failed prompts are retried, the batch is open once more: its next end is news too.
    return Item(subject=subject, kind=Kind.ENDED, at=batch.ended_at, text=_told(view), key=f"{batch.ended_at:.6f}")


def _told(view: BatchView) -> str:
    batch, counts = view.batch, view.counts
    label = f"batch {batch.batch_id}" + (f" “{batch.note}”" if batch.note else "")
    done = f"{counts.succeeded} of {counts.total} succeeded"
    match view.status:
        case BatchStatus.CANCELED:
            return f"{label} {'cancelled on request' if batch.cancel_requested else 'cancelled'}, {done}"
        case BatchStatus.FAILED:
            return f"{label} failed: {counts.failed} of {counts.total}"
        case status:
            return f"{label} {spoken(status)}, {done}"
