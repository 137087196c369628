"""A page's server in this process, and a browser's requests to it."""

from __future__ import annotations

from typing import Any

import httpx2

from mcp_background_job.actions.house import House
from mcp_background_job.config import load_settings
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.web.parts import page_app
from tests.places.in_memory import manager_in_memory
from tests.places.memory import MemoryPlace

PORT = 7420
ORIGIN = f"http://127.0.0.1:{PORT}"
HEADER = {"mcp-bg-page": "1"}


class Browser:
    """A client that keeps cookies, as a browser does, and what it looks at.

    Attributes:
        client: sends requests to the page's server.
        sessions: of the server, which makes links.
        calls: of the server.
        manager: of the jobs that are looked at, which are no processes.
    """

    def __init__(self, *, read_only: bool = False) -> None:
        self.manager: JobManager = manager_in_memory(MemoryPlace())
        house = House.of(self.manager, load_settings())
        app, self.calls, self.sessions = page_app(house, "secret", PORT, read_only=read_only)
        self.client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=ORIGIN)

    async def enter(self) -> httpx2.Response:
        """Follow a link."""
        return await self.client.get("/enter", params={"code": self.sessions.new_code()})

    async def post(self, action: str, /, **args: Any) -> httpx2.Response:
        """Call an action as the page does."""
        body = {"action": action, "args": args}
        return await self.client.post("/api/call", json=body, headers={**HEADER, "origin": ORIGIN})

    async def call(self, action: str, /, **args: Any) -> dict[str, Any]:
        """Return what an action answers."""
        response = await self.post(action, **args)
        assert response.status_code == 200, response.text
        return response.json()

    async def close(self) -> None:
        """Let go of everything."""
        await self.calls.watching.close()
        await self.client.aclose()
        self.manager.close()
