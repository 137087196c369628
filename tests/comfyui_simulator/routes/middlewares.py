"""Steps before every route: foreign pages are refused, and the faults that the flags name are played."""

import asyncio
from urllib.parse import urlparse

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from tests.comfyui_simulator.flags import Flags
from tests.comfyui_simulator.logs import log
from tests.comfyui_simulator.routes.info_routes import PAGE


@web.middleware
async def refuse_foreign_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
    host, origin = request.headers.get("Host"), request.headers.get("Origin")
    if host and origin:
        parsed = urlparse(origin)
        own = host if parsed.port is not None else host.rsplit(":", 1)[0]
        if parsed.netloc.lower() != own.lower():
            log.warning("WARNING: request with non matching host and origin %s != %s, returning 403", host, origin)
            return web.Response(status=403)
    return await handler(request)


def faults(flags: Flags) -> Middleware:
    @web.middleware
    async def play(request: web.Request, handler: Handler) -> web.StreamResponse:
        if flags.hang:
            await asyncio.Event().wait()
        if flags.forbid:
            return web.Response(status=403)
        if flags.require_header and not _has_header(request, flags.require_header):
            return web.Response(status=401)
        if flags.html:
            return web.Response(text=PAGE, content_type="text/html")
        if flags.queue_status is not None and request.method == "GET" and request.path in {"/queue", "/api/queue"}:
            return web.Response(status=flags.queue_status, text=f"{flags.queue_status}: as told")
        return await handler(request)

    return play


def _has_header(request: web.Request, required: str) -> bool:
    name, _, value = required.partition(":")
    return request.headers.get(name) == value.strip()


async def not_found(request: web.Request) -> web.StreamResponse:
    """Answer as the catch-all for static files does: it knows only GET and HEAD, and answers 405 to all else."""
    response = web.StreamResponse(status=404)
    response.content_type = "application/octet-stream"
    response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write_eof()
    return response
