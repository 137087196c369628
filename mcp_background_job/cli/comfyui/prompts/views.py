"""What is shown of a prompt while it is watched: nothing, or a line for each node for a pipe."""

from __future__ import annotations

from typing import Protocol, Self

from mcp_background_job.cli import terminal
from mcp_background_job.cli.comfyui.prompts import sentences
from mcp_background_job.cli.escaping import escaped
from mcp_background_job.comfyui.prompts.prompts import Prompt
from mcp_background_job.comfyui.reports import report


class View(Protocol):
    """Shows a prompt that goes on; how it ended is told afterwards."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def show(self, prompt: Prompt) -> None:
        """Take a look at the prompt."""
        ...


class Nothing:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, prompt: Prompt) -> None:
        pass


class Lines(Nothing):
    """Writes a line whenever the prompt comes to another node or place; how it ended is told by others."""

    def __init__(self) -> None:
        """Has shown nothing yet."""
        self._shown: tuple[object, ...] = ()

    def show(self, prompt: Prompt) -> None:
        node = prompt.progress.node_id if prompt.progress else ""
        place = (prompt.status, prompt.position, node)
        if prompt.status in ("pending", "in_progress") and place != self._shown:
            self._shown = place
            terminal.line(escaped(sentences.of_prompt(report.of_prompt(prompt))))
            terminal.flush()


def live() -> View:
    """Return the view of a prompt that is followed."""
    if not terminal.for_people():
        return Lines()
    from mcp_background_job.cli.comfyui.prompts.bar import Bar  # noqa: PLC0415  a pipe does without rich

    return Bar()
