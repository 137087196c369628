"""What people see of a prompt that is followed, and of a wait: a line that is drawn again and again."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from mcp_background_job.cli.escaping import printable
from mcp_background_job.cli.wording import typed
from mcp_background_job.comfyui.prompts.prompts import Prompt


class Bar:
    """A bar with the node that runs, its step, and how many nodes are done; it goes when the prompt is over."""

    def __init__(self) -> None:
        """Draws nothing before it is entered."""
        self._bar = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=12),
            TextColumn("{task.fields[step]}", markup=False),
            TimeElapsedColumn(),
            # What may be long gives way in a narrow window.
            TextColumn(
                "{task.description} {task.fields[nodes]}",
                markup=False,
                table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
            ),
            transient=True,
            expand=True,
        )
        self._task = self._bar.add_task("", total=None, step="", nodes="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, prompt: Prompt, /) -> None:
        self._bar.update(self._task, **shown(prompt))


def shown(prompt: Prompt) -> dict[str, Any]:
    """Return the parts of the bar for a prompt."""
    parts: dict[str, Any] = {"description": _place(prompt), "total": None, "completed": 0, "step": "", "nodes": ""}
    heard = prompt.progress
    if heard is None:
        return parts
    if heard.steps > 0:
        step = "" if heard.steps == 1 else f"step {heard.step:g}/{heard.steps:g} "
        parts |= {"total": heard.steps, "completed": heard.step, "step": f"{step}{heard.percent} %"}
    if heard.source == "log":
        parts["nodes"] = "as the log has it"
    elif prompt.nodes:
        parts["nodes"] = f"{min(heard.cached + heard.finished, prompt.nodes)} of {prompt.nodes} nodes done"
    return parts


def _place(prompt: Prompt) -> str:
    if prompt.status == "pending":
        return f"pending, {prompt.position} before it"
    if prompt.status not in ("pending", "in_progress"):
        return printable(typed(": ".join(filter(None, (prompt.status, prompt.reason)))))
    node = prompt.progress.node_id if prompt.progress else ""
    return printable(f"node {node} {prompt.node_class}") if node else "in progress"


@contextlib.contextmanager
def spinner(text: str) -> Generator[None]:
    """Show on stderr that something is under way, and for how long."""
    columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        bar.add_task(text, total=None)
        yield
