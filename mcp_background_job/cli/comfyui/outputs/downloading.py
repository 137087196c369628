"""Downloads outputs for people, and reports what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from mcp_background_job.cli import terminal
from mcp_background_job.cli.comfyui import show
from mcp_background_job.cli.comfyui.exit_codes import of_transfer
from mcp_background_job.cli.comfyui.outputs import sentences
from mcp_background_job.cli.parameter import named
from mcp_background_job.cli.wording import typed
from mcp_background_job.comfyui import together
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.reports import output_report
from mcp_background_job.comfyui.reports.report import Report

if TYPE_CHECKING:
    from mcp_background_job.comfyui.outputs.download import Choice, Headway

OutputDir = Annotated[Path, named("--output-dir", "-o")]
Kind = Literal["all", "output"]

_TOLD = ("status", "why", "detail", "directory", "written", "skipped", "failed", "bytes", "left")


async def download(
    comfyui: ComfyUI, prompts: Iterable[tuple[str, str]], directory: Path, choice: Choice, *, as_json: bool
) -> int:
    """Download the outputs of prompts, given by id and note, and say what came of it; returns the exit code."""
    try:
        with _bar(as_json=as_json) as report:
            downloaded = await together.download(comfyui, prompts, directory, report=report, choice=choice)
    except asyncio.CancelledError:  # Ctrl-C
        terminal.say_interrupted("interrupted; what is downloaded stays, and is skipped the next time")
        raise
    known = output_report.of_download(downloaded, limit=sys.maxsize)
    if as_json:
        terminal.as_json(known)
    else:
        _write(known)
    return of_transfer(known["status"])


def _write(known: Report) -> None:
    if known["status"] == "unreachable" and not known["written"]:
        terminal.say(typed(sentences.of_download(known)))
        return
    show.sentence(sentences.of_download(known), known["status"])
    show.facts(known, _TOLD)


def _bar(*, as_json: bool) -> AbstractContextManager[Callable[[Headway], None]]:
    if as_json or not terminal.for_people():
        return contextlib.nullcontext(lambda _: None)
    from mcp_background_job.cli.comfyui.outputs.bar import download_bar  # noqa: PLC0415  a pipe does without rich

    return download_bar()
