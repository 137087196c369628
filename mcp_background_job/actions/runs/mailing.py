"""Actions on messages between agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp_background_job.actions.action import Facts
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.opening import Opened
from mcp_background_job.actions.runs.requests import Fetch, ListAgents, Send
from mcp_background_job.actions.runs.running import POLL_S
from mcp_background_job.errors import InvalidRequestError

if TYPE_CHECKING:
    from mcp_background_job.agents.runs import RunManager

_MILLISECONDS = 1000


class Mailing:
    """The operations on messages between agents."""

    def __init__(self, opened: Opened[RunManager]) -> None:
        """Takes a function that opens the manager of runs when it is first needed."""
        self._open = opened

    async def list_agents(self, caller: Caller, request: ListAgents) -> Facts:
        """This project's agents: names, status of the newest run, unfetched messages."""
        from mcp_background_job.agents import report
        from mcp_background_job.core.run import RunChoice

        choice = RunChoice(
            backend=request.backend, cwd=request.cwd, project=None if request.all_projects else caller.project
        )
        post = (await self._open()).post
        return report.of_agents(await post.agents(choice, status=request.status, limit=request.limit))

    async def send_agent_message(self, caller: Caller, request: Send) -> Facts:
        """Leave a message for another agent, running or not; it is kept until fetched."""
        from mcp_background_job.agents import report
        from mcp_background_job.agents.mail.post import Letter

        letter = Letter(
            to=request.to_agent_name,
            body=request.message,
            sender=request.from_agent_name,
            cwd=request.cwd,
            metadata=request.metadata,
            client=caller.client,
        )
        return report.of_sent(await (await self._open()).post.send(letter, caller.changes))

    async def fetch_agent_messages(self, caller: Caller, request: Fetch) -> Facts:
        """Messages to an agent: each once, or with after_seq all behind it."""
        from mcp_background_job.agents import report

        wait_s = request.wait_ms / _MILLISECONDS
        if not 0 <= wait_s <= (most_s := caller.at_most(POLL_S)):
            raise InvalidRequestError(f"wait_ms={request.wait_ms}: give 0 to {most_s * _MILLISECONDS:g}")
        fetching = (await self._open()).post.fetch(
            request.agent_name,
            request.cwd,
            caller.changes,
            after_seq=request.after_seq,
            limit=request.limit,
            wait_s=wait_s,
        )
        return report.of_received(await caller.wait_for(fetching, "no messages yet", wait_s))
