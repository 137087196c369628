"""What people see of a batch that is followed: how many of its prompts are over, and how far the running one is."""

from __future__ import annotations

from typing import Any, Self

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from mcp_background_job.cli.escaping import escaped, printable
from mcp_background_job.cli.wording import typed
from mcp_background_job.comfyui.batches.batch_view import BatchView
from mcp_background_job.comfyui.prompts.prompts import Prompt
from mcp_background_job.comfyui.reports.report import progress_of
from mcp_background_job.core.comfyui.batch import BatchStatus, spoken

#: Characters of an id that tell prompts of one batch from each other.
_SHORT_ID = 8


class BatchBar:
    """A bar of the prompts that are over; it goes when the batch is."""

    def __init__(self) -> None:
        """Draws nothing before it is entered."""
        self._bar = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[done]}", markup=False),
            TimeElapsedColumn(),
            # What may be long gives way in a narrow window.
            TextColumn(
                "{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)
            ),
            transient=True,
            expand=True,
        )
        self._task = self._bar.add_task("", total=None, done="")
        self._told = ""

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, batch: BatchView, /) -> None:
        if batch.trouble != self._told:
            self._told = batch.trouble
            if batch.trouble:  # above the bar, in which it has no room
                self._bar.console.print(escaped(typed(batch.trouble)), markup=False, highlight=False)
        self._bar.update(self._task, **shown(batch))


def shown(batch: BatchView) -> dict[str, Any]:
    """Return the parts of the bar for a batch."""
    counts = batch.counts
    return {
        "total": counts.total,
        "completed": counts.ended,
        "done": counts.in_words,
        "description": printable(_now(batch)),
    }


def _now(batch: BatchView) -> str:
    parts = [_running(prompt) for prompt in batch.running]
    if batch.trouble:
        parts.append("it makes no progress, see above")
    if batch.status is not BatchStatus.RUNNING or not parts:
        parts.insert(0, spoken(batch.status))
    return "; ".join(parts)


def _running(prompt: Prompt) -> str:
    note = prompt.submission.note if prompt.submission else ""
    return f"{note or prompt.prompt_id[:_SHORT_ID]}: {progress_of(prompt).get('progress', 'started')}"
