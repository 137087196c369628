"""``top``: jobs, renders and runs, live, on the whole of the terminal."""

from __future__ import annotations

from mcp_background_job.cli import exit_codes
from mcp_background_job.cli.session import caller, with_manager
from mcp_background_job.cli.top import ability
from mcp_background_job.config import load_settings
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.jobs.manager import JobManager


def top() -> int:
    """Show jobs, renders of ComfyUI and runs of agents as they go, with their logs and curves; ? shows the keys.

    Jobs are killed, restarted, signalled and given input, renders cancelled, and questions of agents answered. Looking
    changes nothing: what clients have been told of stays as it is.
    """
    if trouble := ability.trouble():
        raise InvalidRequestError(trouble)
    return with_manager(_top)


async def _top(manager: JobManager) -> int:
    from mcp_background_job.actions.house import House  # noqa: PLC0415  it takes a while: first what may be wrong
    from mcp_background_job.cli.top.app import Top  # noqa: PLC0415
    from mcp_background_job.cli.top.desk import Desk  # noqa: PLC0415

    house = House.of(manager, load_settings())
    try:
        await manager.recover()
        window = Top(Desk(house, caller()), in_colour=ability.in_colour())
        await window.run_async()
    finally:
        await house.close()
    return exit_codes.TROUBLE if window.return_code else exit_codes.OK
