"""Whether ComfyUI answers: asked without a journal, since a checkup changes nothing."""

from __future__ import annotations

from mcp_background_job.comfyui.reports.report import Report
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.comfyui.wire.endpoint import Endpoint
from mcp_background_job.errors import UnreachableError

#: Who asks what is wrong does not wait for long; a healthy server answers in milliseconds.
_READ_S = 2.0


async def examine(endpoint: Endpoint) -> Report:
    """Return whether ComfyUI answers at its configured place; that it does not is no fault where it is not used."""
    client = Client(endpoint)
    try:
        stats = await client.stats(read_s=_READ_S)
    except UnreachableError as error:
        return {"url": endpoint.url, "reachable": False, "why": str(error.trouble), "detail": str(error)}
    finally:
        await client.close()
    return {"url": endpoint.url, "reachable": True, "version": stats.version}
