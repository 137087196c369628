"""Downloads: found by a call, which can say what is wrong, and fetched by the browser itself, which can save much."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlencode

from mcp_background_job.actions.action import Facts
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.page.download import Download, Downloadable
from mcp_background_job.core.wire import to_json, utf8
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.web.paths import API

#: Where a browser fetches them.
PATH = f"{API}download/"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A download: which, and of what."""

    name: str
    args: dict[str, Any] = field(default_factory=dict[str, Any])


class Downloading:
    """All that can be downloaded."""

    def __init__(self, downloadables: Iterable[Downloadable[Any]]) -> None:
        """Takes them."""
        self._known = {one.name: one for one in downloadables}

    async def download(self, caller: Caller, request: Wanted) -> Facts:
        """Tell where a browser fetches a download, and under which name it is saved."""
        found = await self.found(caller, request)
        return {"path": f"{PATH}{request.name}?{urlencode({'args': to_json(request.args)})}", "name": utf8(found.name)}

    async def fetched(self, caller: Caller, name: str, args: str) -> Download:
        """Return what is to be sent for a path that was told.

        Raises:
            InvalidRequestError: it was not told here.
            BackgroundJobError: it is not there any more.
        """
        try:
            value: Any = json.loads(args)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise InvalidRequestError(f"bad arguments: args: a JSON object, not {args[:100]!r}")
        return await self.found(caller, Wanted(name=name, args=cast("dict[str, Any]", value)))

    async def found(self, caller: Caller, wanted: Wanted) -> Download:
        """Find a download.

        Raises:
            BackgroundJobError: it is not there.
        """
        known = self._known.get(wanted.name)
        if known is None:
            raise InvalidRequestError(f"there is nothing called {utf8(wanted.name)!r} to download")
        return await known.open(caller, known.asked.of(wanted.args))
