"""Who calls, as FastMCP reports it."""

from __future__ import annotations

from collections.abc import Iterable

from mcp_background_job.actions.caller import Caller
from mcp_background_job.config import Matter
from mcp_background_job.core.news import Reader
from mcp_background_job.core.wire import utf8
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.executors import lanes
from mcp_background_job.jobs.inherited.project import project_named, working_directory
from mcp_background_job.processes.client import own_conversation
from mcp_background_job.server.consent import asks
from mcp_background_job.server.fastmcp_names import Context, http_header, tell_progress
from mcp_background_job.server.http_path import PROJECT_HEADER
from mcp_background_job.server.roots import Roots

#: Header of a request that says who is to be told of what it starts, if that is not the client as such.
READER_HEADER = "mcp-bg-reader"


class Callers:
    """Tells who makes a call: known by the client's name and its project, also after a restart of both."""

    def __init__(self, project: str, assumed: Iterable[Matter] = ()) -> None:
        """Takes the project of this server, empty if it has none, and what its user has agreed to beforehand."""
        self._project = project
        self._assumed = frozenset(assumed)
        self._directory = working_directory()  # now: it may be gone by the time somebody asks
        self._roots = Roots()

    async def caller_of(self, context: Context) -> Caller:
        """Return who makes a call.

        Raises:
            InvalidRequestError: a header names a project that cannot be one.
        """
        parameters = context.session.client_params
        name = parameters.client_info.name if parameters else "unknown"
        project = await _said_over_http() or self._project or await self._roots.project(context)
        place = project or self._directory
        client = utf8(f"{name}@{place}")  # compared with what the index holds, which is UTF-8

        async def progress(waited_s: float, limit_s: float, what: str) -> None:
            await tell_progress(context, waited_s, limit_s, utf8(f"{what}, {waited_s:.0f} s"))

        return Caller(
            client=client,
            directory=place,
            project=project,
            reader=_reader(context, client, place),
            progress=progress,
            ask=asks(context),
            assumed=self._assumed,
        )


def _reader(context: Context, client: str, place: str) -> Reader:
    if said := http_header(READER_HEADER):
        return Reader(utf8(f"{said}@{place}"))
    # Over HTTP the parent of this server is nobody's client.
    return Reader(client, own_conversation() if context.transport == "stdio" else "")


async def _said_over_http() -> str:
    said = utf8(http_header(PROJECT_HEADER))
    try:
        return await lanes.look(project_named, said) if said else ""
    except ValueError as error:
        raise InvalidRequestError(f"the header {PROJECT_HEADER}: {error}") from error
