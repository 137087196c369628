"""What people see of a download: a line that is drawn again and again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from mcp_background_job.comfyui.outputs.download import Headway
from mcp_background_job.core.text import size


@contextlib.contextmanager
def download_bar() -> Generator[Callable[[Headway], None]]:
    """Show a bar of files; yields what is to be told how far it is."""
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[size]}", markup=False),
        TimeElapsedColumn(),
        transient=True,
    )
    task = bar.add_task("looking for outputs", total=None, size="")

    def show(headway: Headway) -> None:
        bar.update(
            task,
            total=headway.files,
            completed=headway.done,
            description=f"{headway.done} of {headway.files} files",
            size=size(headway.size),
        )

    with bar:
        yield show
