"""The routes of the page, behind the guard."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from mcp_background_job.actions.caller import Caller
from mcp_background_job.core.wire import to_json
from mcp_background_job.web.calls import Calls
from mcp_background_job.web.files import INDEX, StaticFile, static_files
from mcp_background_job.web.guard import API, HEADERS, Guard
from mcp_background_job.web.pictures import pictures_of
from mcp_background_job.web.session import COOKIE_S, Sessions

#: Bytes of a call: what is typed into a job, at most.
_MAX_CALL = 1 << 20

ENTER = "/enter"
_STATIC = "/static/"

Scope = MutableMapping[str, Any]
AsgiApp = Callable[[Scope, Any, Any], Awaitable[None]]


def is_of_page(path: str) -> bool:
    """Tell whether a path is one of the page's, where it shares a port with others."""
    return path in ("/", ENTER) or path.startswith((_STATIC, API))


class PageApp:
    """Serves the page: an ASGI application."""

    def __init__(self, calls: Calls, caller: Callable[[], Caller], sessions: Sessions, guard: Guard) -> None:
        """Takes what answers calls, what makes their caller, who may look, and what refuses."""
        self._calls = calls
        self._caller = caller
        self._sessions = sessions
        self._guard = guard
        self._routes = Starlette(
            routes=[
                Route("/", self._index),
                Route(ENTER, self._enter),
                Route(f"{_STATIC}{{path:path}}", self._static),
                Route(f"{API}call", self._call, methods=["POST"]),
                Route(f"{API}picture", pictures_of(calls.house.comfyui)),
            ]
        )

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer a request, or refuse it."""

        async def send_guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                more = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message["headers"], *(pair for pair in more if pair[0] not in given)]
            await send(message)

        request = Request(scope)
        refusal = self._guard.refusal(request.method, request.url.path, request.headers, request.cookies)
        if refusal:
            answer = JSONResponse({"error": refusal.sentence, "code": refusal.code}, refusal.status)
            await answer(scope, receive, send_guarded)
        else:
            await self._routes(scope, receive, send_guarded)

    async def _index(self, request: Request) -> Response:
        return _file(request, static_files()[INDEX])

    async def _static(self, request: Request) -> Response:
        file = static_files().get(request.path_params["path"])
        return _file(request, file) if file else PlainTextResponse("there is no such file", 404)

    async def _enter(self, request: Request) -> Response:
        cookie = self._sessions.redeem(request.query_params.get("code", ""))
        if cookie is None:
            return PlainTextResponse(
                "This link was used, or is too old. Run mcp-background-job dashboard for another.\n", 403
            )
        answer = RedirectResponse("/", 303)
        # The path keeps it from most requests to other ports of this host: cookies know no ports.
        answer.set_cookie(
            self._sessions.cookie, cookie, max_age=COOKIE_S, path=API.rstrip("/"), httponly=True, samesite="strict"
        )
        return answer

    async def _call(self, request: Request) -> Response:
        asked = await _asked(request)
        if asked is None:
            return JSONResponse({"error": "this is no call", "code": "invalid_request"}, 400)
        answer = await self._calls.answer(self._caller(), *asked)
        return Response(to_json(answer), media_type="application/json", headers={"cache-control": "no-store"})


async def _asked(request: Request) -> tuple[str, dict[str, Any]] | None:
    """Return the action that is called and its arguments, ``None`` if this is no call."""
    if int(request.headers.get("content-length", _MAX_CALL + 1)) > _MAX_CALL:
        return None
    try:
        value = json.loads(await request.body())
    except (ValueError, RecursionError):
        return None
    said = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    action, arguments = said.get("action"), said.get("args", {})
    if not isinstance(action, str) or not isinstance(arguments, dict):
        return None
    return action, cast("dict[str, Any]", arguments)


def _file(request: Request, file: StaticFile) -> Response:
    headers = {"etag": file.etag, "cache-control": "no-cache", "vary": "accept-encoding"}
    if request.headers.get("if-none-match") == file.etag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.packed, media_type=file.media_type, headers={**headers, "content-encoding": "gzip"})
    return Response(file.content, media_type=file.media_type, headers=headers)
