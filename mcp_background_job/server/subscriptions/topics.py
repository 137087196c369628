"""Finds the thing that a URI names, for those who want to follow it."""

from __future__ import annotations

from functools import partial

from mcp_background_job.actions.caller import Caller
from mcp_background_job.server.addresses import Address, Kind, address_of
from mcp_background_job.server.served import Served
from mcp_background_job.server.subscriptions import changes
from mcp_background_job.server.subscriptions.board import Topic


class Topics:
    """Finds what is to be followed."""

    def __init__(self, served: Served) -> None:
        """Takes where things are."""
        self._served = served

    async def of(self, uri: str, caller: Caller) -> Topic | None:
        """Return the thing that a URI names, ``None`` if it cannot be followed. A name means the job that has it now.

        Raises:
            BackgroundJobError: there is no such job or run, or ComfyUI is not set up.
        """
        address = address_of(uri)
        if address is None or address.kind.toolset not in self._served.toolsets:
            return None
        return await self._of(address, caller)

    def jobs_of(self, caller: Caller) -> Topic:
        """Return the list of jobs of whoever asks."""
        return Topic((Kind.LIST, caller.project), partial(changes.of_list, self._served.house.manager, caller.project))

    async def _of(self, address: Address, caller: Caller) -> Topic:
        kind, manager = address.kind, self._served.house.manager
        match kind:
            case Kind.LIST:
                return self.jobs_of(caller)
            case Kind.JOB | Kind.LOG:
                job_id = (await manager.find(address.reference, caller.looks)).job_id
                follow = changes.of_job if kind is Kind.JOB else changes.of_log
                return Topic((kind, job_id), partial(follow, manager.hub, job_id))
            case Kind.RUN:
                runs = await self._served.house.runs()
                run_id = (await runs.glance(address.reference)).record.run_id
                return Topic((kind, run_id), partial(changes.of_run, manager, runs, run_id))
            case Kind.QUEUE:
                return Topic(kind, partial(changes.of_queue, await self._served.house.comfyui()))
