"""Tools that control ComfyUI: its prompts and its process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from mcp_background_job.core.waiting import MAX_WAIT_S
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.server.context import client_name, with_progress, working_directory
from mcp_background_job.server.results import ComfyUIResult

if TYPE_CHECKING:
    from mcp_background_job.comfyui.control import ComfyUI
    from mcp_background_job.comfyui.workflow import Workflow

#: What the ladder of a cancel takes at most, for the progress that is shown meanwhile.
_CANCEL_S = 50.0

#: A restart has this long for the process to be ready again, which leaves time to end the old one.
_START_S = 40.0


class ComfyUIDoor:
    """The control of ComfyUI, made when it is first asked for: its libraries take half a second to load."""

    def __init__(self, make: Callable[[], ComfyUI]) -> None:
        """Takes what makes it."""
        self._make = make
        self._made: ComfyUI | None = None

    def open(self) -> ComfyUI:
        """Return it.

        Raises:
            BackgroundJobError: settings or journal cannot be used.
        """
        if self._made is None:
            self._made = self._make()
        return self._made

    async def close(self) -> None:
        """Let go of it, if it was made."""
        if self._made is not None:
            await self._made.close()


class RenderTools:
    """The tools for prompts."""

    def __init__(self, door: ComfyUIDoor) -> None:
        """Takes what the tools work on."""
        self._door = door

    async def comfyui_status(self) -> ComfyUIResult:
        """What ComfyUI does now: reachable or why not, running and pending prompts with progress, memory, process.

        reachable=false means that the queue is unknown, not empty.
        """
        from mcp_background_job.comfyui import report

        return ComfyUIResult(**report.of_status(await self._door.open().status()))

    async def comfyui_submit(
        self,
        workflow: Annotated[
            dict[str, Any] | list[dict[str, Any]] | None, Field(description="graph in API format, or several")
        ] = None,
        workflow_path: Annotated[str | list[str] | None, Field(description="or files with it")] = None,
        *,
        overrides: Annotated[
            dict[str, list[Any]] | None, Field(description='one prompt per value: {"3.inputs.seed": [1, 2, 3]}')
        ] = None,
        combine: Literal["product", "zip"] = "product",
        note: Annotated[str, Field(description="what it is for, shown in lists")] = "",
        front: Annotated[bool, Field(description="before all pending ones")] = False,
        max_queued: Annotated[int, Field(description="batch: prompts in ComfyUI's queue at once")] = 2,
        prompt_timeout_s: Annotated[float | None, Field(description="batch: stop a prompt that runs longer")] = None,
        restart_if_wedged: Annotated[bool, Field(description="batch: restart ComfyUI where that takes it")] = False,
        wait_s: Annotated[float, Field(description="wait this long for the end (max 50)")] = 2,
    ) -> ComfyUIResult:
        """Queue a workflow in ComfyUI; returns prompt_id and, if it ends in time, outputs or the error.

        Several workflows, overrides or a time limit make a batch that goes on without you (comfyui_batch). Invalid
        nodes are listed; a warning says when only a part of the graph runs.
        """
        if not wait_s >= 0:
            raise InvalidRequestError(f"wait_s={wait_s:g}: a wait is 0 seconds or more")
        wait_s = min(wait_s, MAX_WAIT_S)
        comfyui = self._door.open()
        session = await comfyui.sessions.current(working_directory())
        loaded = await _loaded(workflow, workflow_path)
        several = overrides is not None or isinstance(workflow, list) or isinstance(workflow_path, list)
        if not several and prompt_timeout_s is None and not restart_if_wedged:
            submitting = comfyui.submitter.submit(
                loaded[0],
                note=note,
                client=client_name(),
                front=front,
                wait_s=wait_s,
                session_id=session.session_id,
            )
            from mcp_background_job.comfyui import report

            return ComfyUIResult(**report.of_submission(await with_progress(submitting, "ComfyUI renders", wait_s)))
        if front:
            raise InvalidRequestError("front is for a single prompt: a batch takes its turn with each of its prompts")
        from mcp_background_job.comfyui import batches, queue_report

        created = await comfyui.batches.create(
            batches.items_of(loaded, overrides or {}, combine),
            note=note,
            client=client_name(),
            session_id=session.session_id,
            max_queued=max_queued,
            prompt_timeout_s=prompt_timeout_s,
            may_restart=restart_if_wedged,
        )
        waiting = comfyui.batches.wait(created.batch.batch_id, wait_s)
        return ComfyUIResult(**queue_report.of_batch(await with_progress(waiting, "the batch runs", wait_s)))

    async def comfyui_job(
        self, prompt_id: str, wait_s: Annotated[float, Field(description="for its end (max 50)")] = 0
    ) -> ComfyUIResult:
        """One prompt: pending, in_progress, completed, failed, cancelled, lost_to_restart or unknown, with outputs,
        progress, or the failing node, exception and traceback."""  # noqa: D205, D209  one sentence
        comfyui = self._door.open()
        if not wait_s >= 0:
            raise InvalidRequestError(f"wait_s={wait_s:g}: a wait is 0 seconds or more")
        waiting = comfyui.submitter.wait(prompt_id, min(wait_s, MAX_WAIT_S))
        from mcp_background_job.comfyui import report

        return ComfyUIResult(
            **report.of_prompt(await with_progress(waiting, "ComfyUI renders", min(wait_s, MAX_WAIT_S)))
        )

    async def comfyui_cancel_job(
        self,
        prompt_id: Annotated[str | None, Field(description="touches no other; without it the running one")] = None,
        *,
        clear_pending: Annotated[bool, Field(description="drop all pending ones too")] = False,
    ) -> ComfyUIResult:
        """Stop a render for certain: interrupt, verify, repeat, up to 50 s. For a render, not a process (kill_job).

        status: cancelled, finished_before_cancel, failed, wedged (HTTP cannot stop it: restart_comfyui), server_died,
        unreachable, not_found, nothing_running.
        """
        comfyui = self._door.open()
        cancelling = comfyui.canceller.cancel(prompt_id, clear_pending=clear_pending)
        from mcp_background_job.comfyui import report

        return ComfyUIResult(**report.of_cancel(await with_progress(cancelling, "cancelling", _CANCEL_S)))

    async def comfyui_cancel_queued_job(self, prompt_id: str) -> ComfyUIResult:
        """Take one pending prompt out of the queue, verified. One that already runs is left alone and said."""
        comfyui = self._door.open()
        cancelling = comfyui.canceller.cancel_pending(prompt_id)
        from mcp_background_job.comfyui import report

        return ComfyUIResult(**report.of_cancel(await with_progress(cancelling, "cancelling", _CANCEL_S)))


async def _loaded(
    workflow: dict[str, Any] | list[dict[str, Any]] | None, workflow_path: str | list[str] | None
) -> list[Workflow]:
    """Return the workflows that a caller gives, as objects or as files."""
    from mcp_background_job.comfyui import workflow as workflows

    if (workflow is None) == (workflow_path is None):
        raise InvalidRequestError("give either workflow or workflow_path")
    if workflow_path is None:
        given = workflow if isinstance(workflow, list) else [workflow]
        return [workflows.check(one) for one in given]
    paths = workflow_path if isinstance(workflow_path, list) else [workflow_path]
    return [await asyncio.to_thread(workflows.load, path) for path in paths]


class LifecycleTools:
    """The tools for the process."""

    def __init__(self, door: ComfyUIDoor) -> None:
        """Takes what the tools work on."""
        self._door = door

    async def start_comfyui(self) -> ComfyUIResult:
        """Start ComfyUI as a background job and wait until it answers. "starting": watch the job with wait_for_job."""
        starting = self._door.open().lifecycle.start(client=client_name(), wait_s=_START_S)
        from mcp_background_job.comfyui import report

        return ComfyUIResult(**report.of_lifecycle(await with_progress(starting, "ComfyUI starts", _START_S)))

    async def stop_comfyui(
        self, *, force: Annotated[bool, Field(description="even if prompts are lost")] = False
    ) -> ComfyUIResult:
        """End ComfyUI and every process that it started, whoever started it on this machine."""
        stopping = self._door.open().lifecycle.stop(client=client_name(), force=force)
        from mcp_background_job.comfyui import report

        return ComfyUIResult(**report.of_lifecycle(await with_progress(stopping, "ComfyUI stops", _CANCEL_S)))

    async def restart_comfyui(
        self,
        *,
        force: Annotated[bool, Field(description="even if prompts run, or it does not answer")] = False,
        requeue: Annotated[
            Literal["none", "pending", "all"], Field(description="submit again; all: the running one too")
        ] = "none",
    ) -> ComfyUIResult:
        """Kill ComfyUI with all its children and run it again as it was run: for a wedge that nothing else stops.

        Refused with what would be lost unless force.
        """
        restarting = self._door.open().lifecycle.restart(
            client=client_name(), force=force, requeue=requeue, wait_s=_START_S
        )
        from mcp_background_job.comfyui import report

        return ComfyUIResult(**report.of_lifecycle(await with_progress(restarting, "ComfyUI restarts", _START_S)))
