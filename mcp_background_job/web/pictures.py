"""What prompts of ComfyUI have made, as a browser loads it: pictures, videos and sounds, and nothing that could run.

A node writes what it likes, under any name: a page with a script as ``cat.png`` for example. So a file is what its
first bytes are. What is no picture, video or sound is not shown. Whatever comes has a policy under which nothing runs.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from mcp_background_job.actions.opening import Opened
from mcp_background_job.core.wire import utf8
from mcp_background_job.errors import BackgroundJobError, MissingOutputError

if TYPE_CHECKING:
    from mcp_background_job.comfyui.control import ComfyUI

#: Even if somebody opens it as a page of its own, it has no origin, loads nothing and runs nothing.
_HEADERS = {
    "content-security-policy": "default-src 'none'; sandbox",
    # Files of ComfyUI get numbers, and are hardly ever written over; whoever looks at a gallery comes back soon.
    "cache-control": "private, max-age=300",
}

_NOT_FOUND, _UNAVAILABLE, _NO_PICTURE = 404, 502, 415

#: Where a page shows one it says in its place that it cannot be shown: a browser would report an error of the page.
_WITHIN_A_PAGE, _NOTHING = ("image", "video", "audio"), 204


def pictures_of(opened: Opened[ComfyUI]) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers requests for what a prompt has made, by the name that a page knows it by."""

    async def answer(request: Request) -> Response:
        asked = request.query_params
        try:
            pictures = (await opened()).pictures
            picture = await pictures.open(asked.get("prompt", ""), asked.get("ref", ""), small=bool(asked.get("small")))
        except MissingOutputError as error:
            return _without(request, str(error), _NOT_FOUND)
        except BackgroundJobError as error:
            return _without(request, str(error), _UNAVAILABLE)
        if picture.form is None:
            await picture.chunks.aclose()
            return _without(request, "this is not a picture, video or sound", _NO_PICTURE)
        return StreamingResponse(_closed(picture.chunks), media_type=picture.form, headers=_HEADERS)

    return answer


def _without(request: Request, why: str, status: int) -> Response:
    """Return the answer where there is no picture."""
    if request.headers.get("sec-fetch-dest") in _WITHIN_A_PAGE:
        return Response(status_code=_NOTHING)
    return PlainTextResponse(utf8(why), status)


async def _closed(chunks: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """Yield chunks; where nobody wants the rest any more, the transfer ends."""
    async with contextlib.aclosing(chunks):
        async for chunk in chunks:
            yield chunk
