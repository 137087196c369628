"""Whether ComfyUI answers: asked without a journal, since a checkup changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from mcp_background_job.comfyui.reports.report import Report
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.comfyui.wire.endpoint import Endpoint
from mcp_background_job.errors import UnreachableError

#: Who asks what is wrong does not wait for long; a healthy server answers in milliseconds.
_READ_S = 2.0


async def examine(endpoints: Sequence[Endpoint]) -> Report:
    """Return whether ComfyUI answers at its configured place; that it does not is no fault where it is not used.

    Of several the first, and the others within. One that is a job on a node is not asked.
    """
    found = await asyncio.gather(*map(_examined, endpoints))
    if not found:
        return {}
    first, *others = found
    return first | ({"others": others} if others else {})


async def _examined(endpoint: Endpoint) -> Report:
    client = Client(endpoint)
    try:
        stats = await client.stats(read_s=_READ_S)
    except UnreachableError as error:
        return {"url": endpoint.url, "reachable": False, "why": str(error.trouble), "detail": str(error)}
    finally:
        await client.close()
    return {"url": endpoint.url, "reachable": True, "version": stats.version}
