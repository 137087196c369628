"""Runs one ACP agent from its start to its end."""

from __future__ import annotations

from mcp_background_job.agents.adapters.base import ParsedEnd
from mcp_background_job.agents.adapters.reading import unparsed
from mcp_background_job.agents.host.acp_agent import CLOSE_S, start_agent
from mcp_background_job.agents.host.endings import failed
from mcp_background_job.agents.host.inbox import Inbox
from mcp_background_job.agents.host.lines import Output
from mcp_background_job.agents.host.request import HostRequest


async def run(request: HostRequest, output: Output, inbox: Inbox) -> ParsedEnd:
    """Start the agent, talk with it, report its end, and let it exit by itself."""
    argv = request.config["command"]
    try:
        agent = await start_agent(argv, request.cwd, lambda line: output.event(unparsed(line)))
    except OSError as error:
        end = failed("not_started", f"the agent cannot be started: {argv[0]}: {error.strerror}")
        output.end(end)
        return end
    # Loading the SDK takes a third of a second; the agent starts up meanwhile.
    from mcp_background_job.agents.host.acp_session import Session  # noqa: PLC0415

    session = Session(agent, request, output, inbox)
    end = await session.run()
    output.end(end)
    await session.close()
    await agent.ended(CLOSE_S)
    return end
