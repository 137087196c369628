"""The routes of the page, behind the guard."""

from __future__ import annotations

import json
from collections.abc import Callable, MutableMapping
from typing import Any, cast
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from mcp_background_job.actions.caller import Caller
from mcp_background_job.core.wire import to_json, utf8
from mcp_background_job.errors import BackgroundJobError
from mcp_background_job.web import downloading
from mcp_background_job.web.calls import Calls
from mcp_background_job.web.files import INDEX, StaticFile, static_files
from mcp_background_job.web.guard import HEADERS, Guard
from mcp_background_job.web.paths import API, ENTER, PARTS, STATIC, Scope, command_for_link
from mcp_background_job.web.pictures import pictures_of
from mcp_background_job.web.session import COOKIE_S, Sessions

#: Bytes of a call: what is typed into a job, at most.
_MAX_CALL = 1 << 20

_FOR_GOOD = "private, max-age=31536000, immutable"

_NOT_STORED = {"cache-control": "no-store"}


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
                *(Route(part, self._part) for part in PARTS),
                Route(ENTER, self._enter),
                Route(f"{STATIC}{{path:path}}", self._static),
                Route(f"{API}call", self._call, methods=["POST"]),
                Route(f"{API}picture", pictures_of(calls.house.comfyui)),
                Route(f"{downloading.PATH}{{name}}", self._download),
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

    async def _part(self, request: Request) -> Response:
        return RedirectResponse(f"/#{request.url.path}", 303)

    async def _static(self, request: Request) -> Response:
        file = static_files().get(request.path_params["path"])
        return _file(request, file) if file else PlainTextResponse("there is no such file", 404)

    async def _enter(self, request: Request) -> Response:
        cookie = self._sessions.redeem(request.query_params.get("code", ""))
        if cookie is None:
            another = command_for_link(request.url.port)
            sentence = f"This link was used, or is more than ten minutes old. {another} prints another."
            return PlainTextResponse(f"{sentence}\n", 403)
        answer = RedirectResponse("/", 303)
        # The path keeps it from most requests to other ports of this host: cookies know no ports.
        answer.set_cookie(
            self._sessions.cookie, cookie, max_age=COOKIE_S, path=API.rstrip("/"), httponly=True, samesite="strict"
        )
        return answer

    async def _call(self, request: Request) -> Response:
        asked = await _asked(request)
        if asked is None:
            return JSONResponse({"error": "this is not a call", "code": "invalid_request"}, 400)
        answer = await self._calls.answer(self._caller(), *asked)
        return Response(to_json(answer), media_type="application/json", headers=_NOT_STORED)

    async def _download(self, request: Request) -> Response:
        name, args = request.path_params["name"], request.query_params.get("args", "")
        try:
            found = await self._calls.downloading.fetched(self._caller(), name, args)
        except BackgroundJobError as error:
            return JSONResponse({"error": utf8(str(error)), "code": error.code}, 404)
        headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(utf8(found.name), safe='')}"}
        return StreamingResponse(found.chunks(), media_type=found.media_type, headers={**headers, **_NOT_STORED})


async def _asked(request: Request) -> tuple[str, dict[str, Any]] | None:
    """Return the action that is called and its arguments, ``None`` if this is not a call."""
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
    etag = f'"{file.version}"'
    # An address that names the version never has another content: a browser need not ask again.
    cache = _FOR_GOOD if request.url.query == file.version else "no-cache"
    headers = {"etag": etag, "cache-control": cache, "vary": "accept-encoding"}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.packed, media_type=file.media_type, headers={**headers, "content-encoding": "gzip"})
    return Response(file.content, media_type=file.media_type, headers=headers)
