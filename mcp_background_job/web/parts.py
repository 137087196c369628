"""Puts the parts of the page together."""

from __future__ import annotations

from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.house import House
from mcp_background_job.core.news import Reader
from mcp_background_job.jobs.inherited.project import working_directory
from mcp_background_job.web.app import PageApp
from mcp_background_job.web.calls import Calls
from mcp_background_job.web.guard import Guard
from mcp_background_job.web.session import Sessions

#: Who asks, in the records of what is ended and started again from a page.
CLIENT = "page"


def page_caller(project: str) -> Caller:
    """Return whoever looks at a page: a person, who is told by looking."""
    return Caller(client=CLIENT, directory=project or working_directory(), project=project, reader=Reader(CLIENT))


def page_app(
    house: House, secret: str, port: int, *, host: str = "", read_only: bool
) -> tuple[PageApp, Calls, Sessions]:
    """Return what serves the page at a port, what answers its calls, and who may look."""
    calls = Calls(house, read_only=read_only)
    sessions = Sessions(secret, port)
    caller = page_caller(house.manager.project)
    return PageApp(calls, lambda: caller, sessions, Guard(sessions, port, host)), calls, sessions
