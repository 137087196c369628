"""Actions on the process of ComfyUI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from mcp_background_job.actions.action import Facts
from mcp_background_job.actions.arguments import bounded_wait
from mcp_background_job.actions.caller import Caller, Question
from mcp_background_job.actions.opening import Opened
from mcp_background_job.errors import InvalidRequestError, WouldLoseError

if TYPE_CHECKING:
    from mcp_background_job.comfyui.control import ComfyUI
    from mcp_background_job.comfyui.lifecycle.outcome import Outcome

#: Seconds for the process to be ready after a restart; the rest of a call's time is for ending the old process.
START_S = 40.0

#: The most seconds that ending it takes, for the progress that is shown meanwhile.
STOP_S = 50.0


@dataclass(frozen=True, kw_only=True)
class Start:
    """A start; the settings say how ComfyUI is started."""

    restart: Annotated[Literal["no", "on-failure"], Field(description="again when it crashes")] = "no"
    wait_s: Annotated[float, Field(description="for it to be ready (max 40)")] = START_S


@dataclass(frozen=True, kw_only=True)
class Stop:
    """A stop, and whether it may lose prompts."""

    force: Annotated[bool, Field(description="even if prompts are lost")] = False


@dataclass(frozen=True, kw_only=True)
class Restart:
    """A restart, whether it may lose prompts, and which of them are submitted again."""

    force: Annotated[bool, Field(description="even if prompts run, or it does not answer")] = False
    requeue: Annotated[
        Literal["none", "pending", "all"], Field(description="submit again; all: the running one too")
    ] = "none"
    wait_s: Annotated[float, Field(description="for it to be ready (max 40)")] = START_S


@dataclass(frozen=True, kw_only=True)
class StartAnywhere(Start):
    """A start if there are executors beside this machine, or may be several ComfyUIs; so with the next two classes."""

    on: Annotated[str, Field(description='on a cluster: "slurm gpus=1"; it joins those that there are')] = ""


@dataclass(frozen=True, kw_only=True)
class StopOne(Stop):
    """A stop of one of several ComfyUIs."""

    server: Annotated[str, Field(description="which of several")] = ""


@dataclass(frozen=True, kw_only=True)
class RestartOne(Restart):
    """A restart of one of several ComfyUIs."""

    server: Annotated[str, Field(description="which of several")] = ""


@dataclass(frozen=True, kw_only=True)
class Free:
    """A request to free all memory."""


class Lifecycle:
    """Starts, stops and restarts ComfyUI, and frees its memory."""

    def __init__(self, opened: Opened[ComfyUI]) -> None:
        """Takes a function that opens ComfyUI's control when it is first needed."""
        self._open = opened

    async def start_comfyui(self, caller: Caller, request: Start) -> Facts:
        """Start ComfyUI as a background job and wait until it answers. "starting": watch the job with wait_for_job."""
        from mcp_background_job.comfyui.reports import report

        wait_s = bounded_wait(request.wait_s, caller.at_most(START_S))
        comfyui = await self._open()
        if isinstance(request, StartAnywhere) and request.on.strip():
            if request.restart != "no":
                raise InvalidRequestError("on and restart: one on a node that ends is not started again by itself")
            starting = comfyui.nodes.start(request.on, client=caller.client, wait_s=wait_s)
        else:
            starting = comfyui.lifecycle.start(client=caller.client, wait_s=wait_s, again=request.restart)
        return report.of_lifecycle(await caller.wait_for(starting, "ComfyUI starts", wait_s))

    async def stop_comfyui(self, caller: Caller, request: Stop) -> Facts:
        """Stop ComfyUI and every process that it started, whoever started ComfyUI on this machine."""
        from mcp_background_job.comfyui.reports import report

        lifecycle = (await _meant(await self._open(), request)).lifecycle

        def stop(agreed: frozenset[str] | None) -> Awaitable[Outcome]:
            stopping = lifecycle.stop(client=caller.client, force=request.force, agreed=agreed)
            return caller.wait_for(stopping, "ComfyUI stops", STOP_S)

        return report.of_lifecycle(await _once_agreed(caller, stop, "Stop ComfyUI"))

    async def restart_comfyui(self, caller: Caller, request: Restart) -> Facts:
        """Kill ComfyUI with all its children and run it again as it was run: for a wedge that nothing else stops.

        Refused with what would be lost unless force.
        """
        from mcp_background_job.comfyui.reports import report

        wait_s = bounded_wait(request.wait_s, caller.at_most(START_S))
        lifecycle = (await _meant(await self._open(), request)).lifecycle

        def restart(agreed: frozenset[str] | None) -> Awaitable[Outcome]:
            restarting = lifecycle.restart(
                client=caller.client, force=request.force, requeue=request.requeue, wait_s=wait_s, agreed=agreed
            )
            return caller.wait_for(restarting, "ComfyUI restarts", wait_s)

        return report.of_lifecycle(await _once_agreed(caller, restart, "Restart ComfyUI"))

    async def comfyui_free(self, _caller: Caller, _request: Free) -> Facts:
        """Unload ComfyUI's models and free memory, once no prompt runs; says what is free. A stuck step keeps its."""
        from mcp_background_job.comfyui.reports import report

        members = await (await self._open()).members.all()
        if len(members) == 1:
            return report.of_freed(await members[0].free())
        freed = {one.endpoint.url: report.of_freed(await one.free()) for one in members}
        statuses = sorted({str(known["status"]) for known in freed.values()})
        return {
            "status": ", ".join(statuses),
            "detail": "; ".join(f"{url}: {known['detail']}" for url, known in freed.items()),
        }


async def _meant(comfyui: ComfyUI, request: Stop | Restart) -> ComfyUI:
    from mcp_background_job.comfyui import together

    return await together.named(comfyui, request.server if isinstance(request, StopOne | RestartOne) else "")


async def _once_agreed(
    caller: Caller, act: Callable[[frozenset[str] | None], Awaitable[Outcome]], what: str
) -> Outcome:
    """Do something that may lose prompts, once a person agrees to lose them; asks again if other prompts have come."""
    if not caller.asks_about("lose_prompts"):
        return await act(None)
    agreed: frozenset[str] = frozenset()
    while True:
        try:
            return await act(agreed)
        except WouldLoseError as stake:
            text = f"{what}, and lose {stake.told}?"
            await caller.agree(Question(matter="lose_prompts", text=text, about=stake.prompts))
            agreed = stake.prompts
