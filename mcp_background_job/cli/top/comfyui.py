"""The tab of renders: what ComfyUI does, its queue with progress, and how prompts ended."""

from __future__ import annotations

import asyncio
from typing import Any

from mcp_background_job.cli.comfyui.prompts import sentences
from mcp_background_job.cli.top import keys, lists
from mcp_background_job.cli.top.columns import Facts
from mcp_background_job.cli.top.questions import Confirm
from mcp_background_job.cli.top.tab import ListedTab
from mcp_background_job.cli.top.told import lines_of
from mcp_background_job.errors import BackgroundJobError

#: Seconds between two looks at ComfyUI, which has an answer to give each time.
_EVERY_S = 2.0

#: Seconds until somebody who has said that there is none is asked again.
_AGAIN_S = 10.0

#: Seconds between two words on how far the prompt is that runs.
_STEP_S = 0.5

#: Prompts that are listed.
_MAX_LISTED = 200


class ComfyUITab(ListedTab):
    """Prompts, those that run first."""

    name_of_tab = keys.COMFYUI
    key = "prompt_id"
    columns = lists.PROMPTS
    grows = False

    _status: Facts | None = None
    _jobs: tuple[Facts, ...] = ()
    _heard: tuple[str, str] = ("", "")
    _looks = 0
    _detailed: tuple[str, int] = ("", 0)

    def begin(self) -> None:
        """Ask ComfyUI again and again, and hear of the prompt that runs."""
        self._heard = ("", "")
        self.run_worker(self._watch(), group="list", exclusive=True)

    async def _watch(self) -> None:
        while True:
            try:
                await self._look()
                await asyncio.sleep(_EVERY_S if self._status and self._status["reachable"] else _AGAIN_S)
            except BackgroundJobError as error:  # there is none, and that is all there is to show
                self.title = ("cannot be had",)
                self._status = {"reachable": False, "detail": str(error)}
                self.show_rows()
                await asyncio.sleep(_AGAIN_S)

    async def _look(self) -> None:
        self._status = await self.desk.do("comfyui_status")
        self.title = title_of(self._status)
        listing = await self.desk.do("comfyui_jobs", limit=_MAX_LISTED)
        self._jobs = tuple(sorted(listing["jobs"], key=lists.prompt_rank))
        self._looks += 1
        runs = next((str(row["prompt_id"]) for row in self._jobs if row["status"] == "in_progress"), "")
        if runs != self._heard[0]:
            self._heard = (runs, "")
            self.run_worker(self._hear(runs), group="live", exclusive=True)
        self._show()

    async def _hear(self, prompt_id: str) -> None:
        """Show how far a prompt is, which ComfyUI tells to whoever has submitted it, and that process passes on."""

        def take(live: Facts) -> None:
            self._heard = (prompt_id, lists.progress_of(live))
            self._show()

        if prompt_id:
            try:
                await self.desk.watch("comfyui_live", take, pace_s=_STEP_S, prompt_id=prompt_id)
            except BackgroundJobError:  # the list says what is wrong
                self._heard = ("", "")

    def _show(self) -> None:
        prompt_id, progress = self._heard
        heard = {"progress": progress, "progress_from": "websocket"} if progress else {}
        self.listed = tuple(row | heard if row["prompt_id"] == prompt_id else row for row in self._jobs)
        self.show_rows()

    def about(self, row: Facts) -> str:
        """Return what there is to say of a prompt."""
        return sentences.of_prompt(row) if row["status"] != "refused" else str(row.get("cause", ""))

    def nothing(self) -> str:
        """Return whether there is a ComfyUI at all."""
        if self._status is None:
            return "ComfyUI is asked …"
        return "no prompts" if self._status["reachable"] else "there is no ComfyUI that answers"

    def meant(self, row: Facts | None) -> None:
        """Show all that is known of a prompt, or of ComfyUI."""
        status = self._status or {}
        if row is None or not status.get("reachable"):
            self.pager.follows = False
            self.pager.show(lines_of(status, but=("reachable", "running", "pending")))
        elif (wanted := (str(row["prompt_id"]), self._looks)) != self._detailed:  # a step more changes the list alone
            self._detailed = wanted
            self.run_worker(self._details(str(row["prompt_id"])), group="prompt", exclusive=True)

    async def _details(self, prompt_id: str) -> None:
        self.pager.follows = False
        known = await self.do("comfyui_job", prompt_id=prompt_id)
        if known is not None:
            about = lines_of(self._status or {}, but=("reachable", "running", "pending"))
            self.pager.show([*lines_of(known), *about])

    async def do_cancel(self) -> None:
        """Stop the prompt, once a person has said so."""
        row = self.row
        if row and await self.ask(Confirm(f"Cancel {self.about(row)}?", "cancel")):
            await self._cancelled(prompt_id=row["prompt_id"])

    async def do_clear(self) -> None:
        """Drop all pending prompts, once a person has said so."""
        if await self.ask(Confirm("Take all pending prompts out of the queue, those of batches too?", "drop them")):
            await self._cancelled(clear_pending=True, pending_only=True)

    async def _cancelled(self, **which: Any) -> None:
        self.tell("cancelling …")
        report = await self.do("comfyui_cancel_job", **which)
        if report is not None:
            self.tell(sentences.of_cancel(report))
            await self._look()


def title_of(status: Facts) -> tuple[str, ...]:
    """Return whether ComfyUI answers, and how much it has to do."""
    if not status["reachable"]:
        return (f"unreachable ({status.get('why', 'unknown')})",)
    pending = len(status["pending"]) + status.get("more_pending", 0)
    return f"{len(status['running'])} running", f"{pending} pending", *status.get("vram", [])
