"""The reboot of ComfyUI-Manager: the process executes itself anew, under its own pid."""

import os
import sys
from pathlib import Path

from aiohttp import web

from tests.comfyui_simulator.logs import log

_SESSION_VARIABLE = "__COMFY_CLI_SESSION__"
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")


def register(router: web.UrlDispatcher, manager: str) -> None:
    for prefix in ("", "/api"):
        if manager == "execv":
            router.add_post(f"{prefix}/v2/manager/reboot", _reboot)
        if manager == "old":
            router.add_get(f"{prefix}/manager/reboot", _reboot)


async def _reboot(request: web.Request) -> web.Response:  # noqa: RET503  exec does not return
    if request.method == "POST" and "Content-Type" in request.headers and request.content_type in _FORMS:
        text = "Invalid Content-Type for this endpoint. Use application/json or omit body."
        return web.Response(status=400, text=text)
    log.info("\nRestarting... [Simulator]\n\n")
    if session := os.environ.get(_SESSION_VARIABLE):
        # The launcher must see the marker and start the server again.
        Path(f"{session}.reboot").touch()  # noqa: ASYNC240  the process ends in the next line
        os._exit(0)
    # The client gets no answer: the exec closes its connection.
    os.execv(sys.executable, sys.orig_argv)  # noqa: S606
