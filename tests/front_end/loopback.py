"""A tiny server on loopback that serves the front end's files and answers what it asks for while it starts."""

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.patience import PATIENCE_S

#: What a server of ComfyUI says of itself; the front end asks for no more than that it is there.
_FIXED: dict[str, Any] = {
    "/users": {"storage": "server", "migrated": True},
    "/settings": {"Comfy.TutorialCompleted": True, "Comfy.Workflow.ShowMissingNodesWarning": False},
    "/features": {},
    "/i18n": {},
    "/extensions": [],
    "/embeddings": [],
    "/userdata": [],
    "/models": [],
    "/experiment/models": [],
    "/workflow_templates": {},
    "/global_subgraphs": {},
    "/node_replacements": {},
    "/queue": {"queue_running": [], "queue_pending": []},
    "/history": {},
    "/jobs": {"jobs": [], "pagination": {"offset": 0, "limit": None, "total": 0, "has_more": False}},
    "/system_stats": {
        "system": {
            "os": "posix",
            "comfyui_version": "0.3.64",
            "python_version": "3.11",
            "pytorch_version": "",
            "argv": [],
        },
        "devices": [],
    },
}


@contextmanager
def serving(static: Path, object_info: dict[str, Any]) -> Generator[str]:
    """Serve the front end in these files over these kinds of nodes; yields its address."""
    loop = asyncio.new_event_loop()
    started = threading.Event()
    address: list[str] = []
    runner = web.AppRunner(_app(static, object_info))

    async def start() -> None:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        address.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
        started.set()

    loop.create_task(start())  # noqa: RUF006  it is over when ``started`` is set
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        assert started.wait(PATIENCE_S)
        yield address[0]
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(PATIENCE_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_S)
        loop.close()


def _app(static: Path, object_info: dict[str, Any]) -> web.Application:
    app = web.Application()

    async def websocket(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json(
            {"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 0}}, "sid": "x"}}
        )
        async for _ in socket:
            pass
        return socket

    async def asked(request: web.Request) -> web.StreamResponse:
        path = "/" + request.match_info["path"]
        if path == "/object_info":
            return web.json_response(object_info)
        if path in _FIXED:
            return web.json_response(_FIXED[path])
        return web.json_response({}, status=404 if request.method == "GET" else 200)

    async def page(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(static / "index.html")

    app.router.add_get("/ws", websocket)
    app.router.add_get("/api/ws", websocket)
    app.router.add_route("*", "/api/{path:.*}", asked)
    app.router.add_get("/", page)
    app.router.add_static("/", static)
    return app
