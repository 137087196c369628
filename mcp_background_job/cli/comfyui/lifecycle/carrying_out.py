"""Carries out a start, stop or restart of ComfyUI, and reports it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from mcp_background_job.actions.comfyui.lifecycle import Lifecycle
from mcp_background_job.actions.opening import at_hand
from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.comfyui import show
from mcp_background_job.cli.comfyui.connection import with_comfyui
from mcp_background_job.cli.comfyui.exit_codes import of_lifecycle
from mcp_background_job.cli.comfyui.waits import under_way
from mcp_background_job.cli.wording import PROGRAM
from mcp_background_job.comfyui.reports.report import Report

#: A ComfyUI with many custom nodes takes so long to be ready; whoever waits for less or more says so.
READY_S = 120.0

_TOLD = ("status", "took_s", "pid", "old_pid", "job_id")


#: What is to be done to the process.
Act = Callable[[Lifecycle], Awaitable[Report]]


def carry_out(act: Act, doing: str, *, as_json: bool) -> int:
    """Do something to the process of ComfyUI; returns the exit code."""
    return with_comfyui(lambda comfyui: _carry_out(Lifecycle(at_hand(comfyui)), act, doing, as_json=as_json))


async def _carry_out(lifecycle: Lifecycle, act: Act, doing: str, *, as_json: bool) -> int:
    try:
        with under_way(doing, as_json=as_json):
            known = await act(lifecycle)
    except asyncio.CancelledError:  # Ctrl-C
        terminal.say_interrupted(f"interrupted while {doing}; {PROGRAM} comfyui status shows the outcome")
        raise
    if as_json:
        terminal.as_json(known)
    else:
        show.sentence(_sentence(known), known["status"])
        show.facts(known, _TOLD)
    code = of_lifecycle(known["status"])
    return exit_codes.UNMET if code == exit_codes.OK and "not_requeued" in known else code


def _sentence(report: Report) -> str:
    """Return what a start, stop or restart came to."""
    parts = [f"{name.replace('_', ' ')} {report[name]}" for name in ("pid", "old_pid", "job_id") if name in report]
    those = f" ({', '.join(parts)})" if parts else ""
    return f"ComfyUI {terminal.label(report['status'])} after {report['took_s']} s{those}"
