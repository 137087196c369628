"""Tools for the queue of ComfyUI over days: batches, sessions, lists, errors, history."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mcp_background_job.core.waiting import MAX_WAIT_S
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.server.context import client_name, with_progress, working_directory
from mcp_background_job.server.results import ComfyUIResult
from mcp_background_job.server.tools.comfyui import ComfyUIDoor

#: A cancel waits for what is being sent, and verifies each interrupt.
_CANCEL_S = 50.0

_MAX_LIMIT = 500

#: Batches and sessions in a list.
_MAX_LISTED = 20


class QueueTools:
    """The tools for batches, sessions, lists and the history."""

    def __init__(self, door: ComfyUIDoor) -> None:
        """Takes what the tools work on."""
        self._door = door

    async def comfyui_batch(
        self,
        batch_id: Annotated[str | None, Field(description="without it: the newest batches")] = None,
        action: Literal["status", "cancel", "pause", "resume", "retry_failed"] = "status",
        *,
        interrupt: Annotated[bool, Field(description="cancel: stop the running prompt too")] = False,
        wait_s: Annotated[float, Field(description="for its end (max 50)")] = 0,
    ) -> ComfyUIResult:
        """Look at a batch, cancel (pending prompts at once; the running one ends by itself), pause, resume, or run its
        failed prompts again. Waiting for it: wait_s, or wait_for_job("batch-<id>")."""  # noqa: D205, D209  one sentence
        from mcp_background_job.comfyui import queue_report

        if not wait_s >= 0:
            raise InvalidRequestError(f"wait_s={wait_s:g}: a wait is 0 seconds or more")
        comfyui = self._door.open()
        batches = comfyui.batches
        if batch_id is None:
            if action != "status":
                raise InvalidRequestError(f"{action} takes a batch_id; without one the newest batches are listed")
            return ComfyUIResult(**queue_report.of_batches(await batches.views(limit=_MAX_LISTED)))
        match action:
            case "cancel":
                canceling = batches.cancel(batch_id, by=client_name(), interrupt=interrupt)
                canceled = await with_progress(canceling, "canceling", _CANCEL_S)
                return ComfyUIResult(**queue_report.of_canceled_batch(canceled))
            case "pause":
                view = await batches.pause(batch_id)
            case "resume":
                view = await batches.resume(batch_id)
            case "retry_failed":
                session = await comfyui.sessions.current(working_directory())
                view = await batches.retry_failed(batch_id, session_id=session.session_id)
            case "status":
                limit_s = min(wait_s, MAX_WAIT_S)
                view = await with_progress(batches.wait(batch_id, limit_s), f"batch {batch_id} runs", limit_s)
        return ComfyUIResult(**queue_report.of_batch(view))

    async def comfyui_session(
        self,
        action: Literal["new", "list", "show", "track"] = "show",
        name: Annotated[str | None, Field(description="name or id; without it the current session")] = None,
        prompt_id: Annotated[str | None, Field(description="track: any prompt")] = None,
        note: str = "",
    ) -> ComfyUIResult:
        """Sessions group prompts. Every submission is tracked in the current one, which "new" begins."""
        from mcp_background_job.comfyui import queue_report
        from mcp_background_job.comfyui.catalogue import Among
        from mcp_background_job.comfyui.prompts import check_prompt_id

        comfyui, directory = self._door.open(), working_directory()
        sessions = comfyui.sessions
        match action:
            case "new":
                return ComfyUIResult(**queue_report.of_new_session(await sessions.new(name or "", directory)))
            case "list":
                return ComfyUIResult(**queue_report.of_sessions(await sessions.list(directory, limit=_MAX_LISTED)))
            case "show":
                session = await sessions.find(name, directory)
                listing = await comfyui.catalogue.list(among=Among(session_id=session.session_id), limit=_MAX_LISTED)
                tracked = len(await sessions.tracked_in(session))
                return ComfyUIResult(**queue_report.of_session(session, listing, tracked))
            case "track":
                if prompt_id is None:
                    raise InvalidRequestError("track takes a prompt_id: comfyui_jobs lists them")
                prompt = await comfyui.prompts.get(check_prompt_id(prompt_id))
                session = await sessions.find(name, directory)
                await sessions.track(session, prompt_id, note)
                return ComfyUIResult(**queue_report.of_tracked(session, prompt_id, prompt.status))

    async def comfyui_jobs(
        self,
        status: Annotated[
            str | None, Field(description="some of pending, in_progress, completed, failed, cancelled, lost_to_restart")
        ] = None,
        session: Annotated[str | None, Field(description="name or id")] = None,
        batch: str | None = None,
        limit: int = 20,
    ) -> ComfyUIResult:
        """Prompts of ComfyUI in one list, those of earlier sessions too: status, duration, progress, outputs, cause."""
        from mcp_background_job.comfyui import queue_report

        comfyui = self._door.open()
        statuses = tuple(part.strip() for part in (status or "").split(",") if part.strip())
        listing = await comfyui.catalogue.list(
            statuses=statuses, among=await comfyui.among(session, batch, working_directory()), limit=_checked(limit)
        )
        return ComfyUIResult(**queue_report.of_listing(listing))

    async def comfyui_errors(
        self, session: str | None = None, batch: str | None = None, limit: int = 5
    ) -> ComfyUIResult:
        """Why prompts failed last: exception, node, traceback; models and nodes that are missing are named."""
        from mcp_background_job.comfyui import queue_report

        comfyui = self._door.open()
        among = await comfyui.among(session, batch, working_directory())
        explained, trouble = await comfyui.catalogue.errors(among=among, limit=_checked(limit))
        return ComfyUIResult(**queue_report.of_errors(explained, trouble))

    async def comfyui_clear_history(
        self, keep: Annotated[int, Field(description="so many newest entries stay")] = 50
    ) -> ComfyUIResult:
        """Remove old entries from ComfyUI's history. What was submitted here stays known; files are not touched."""
        from mcp_background_job.comfyui import queue_report

        return ComfyUIResult(**queue_report.of_cleared(await self._door.open().history.clear(keep=keep)))


def _checked(limit: int) -> int:
    if not 0 < limit <= _MAX_LIMIT:
        raise InvalidRequestError(f"limit={limit}: give 1 to {_MAX_LIMIT}")
    return limit
