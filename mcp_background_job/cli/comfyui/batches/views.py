"""What is shown of a batch while it is watched: nothing, or a line for each change for a pipe."""

from __future__ import annotations

from typing import Protocol, Self

from mcp_background_job.cli import terminal
from mcp_background_job.cli.comfyui.batches import sentences
from mcp_background_job.cli.escaping import escaped
from mcp_background_job.cli.wording import typed
from mcp_background_job.comfyui.batches.batch_view import BatchView
from mcp_background_job.comfyui.reports import queue_report
from mcp_background_job.core.comfyui.batch import TERMINAL


class View(Protocol):
    """Shows a batch that goes on; how it ended is told afterwards."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def show(self, batch: BatchView) -> None:
        """Take a look at the batch."""
        ...


class Nothing:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, batch: BatchView) -> None:
        pass


class Lines(Nothing):
    """Writes a line whenever one more prompt is over, or the batch gets on in another way."""

    def __init__(self) -> None:
        """Has shown nothing yet."""
        self._shown: tuple[object, ...] = ()

    def show(self, batch: BatchView) -> None:
        place = (batch.status, batch.counts.ended, batch.trouble)
        if batch.status not in TERMINAL and place != self._shown:
            self._shown = place
            known = queue_report.of_batch(batch)
            trouble = f"; {typed(known['trouble'])}" if "trouble" in known else ""
            terminal.line(escaped(sentences.of_batch(known) + trouble))
            terminal.flush()


def live() -> View:
    """Return the view of a batch that is followed."""
    if not terminal.for_people():
        return Lines()
    from mcp_background_job.cli.comfyui.batches.bar import BatchBar  # noqa: PLC0415  a pipe does without rich

    return BatchBar()
