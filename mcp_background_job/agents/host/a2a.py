"""Runs a task of one remote agent: from fetching its card to the end of the task."""

from __future__ import annotations

import httpx
from a2a.client import A2ACardResolver
from a2a.types import AgentCard
from a2a.utils.constants import AGENT_CARD_WELL_KNOWN_PATH
from a2a.utils.errors import A2AError
from google.protobuf.json_format import ParseError

from mcp_background_job.agents.adapters.base import ParsedEnd
from mcp_background_job.agents.adapters.failures import AGENT_ERROR, API_ERROR, AUTH, reason_of
from mcp_background_job.agents.adapters.reading import JsonObject
from mcp_background_job.agents.host.a2a_conversation import REQUEST_S, Conversation
from mcp_background_job.agents.host.endings import cancelled, failed, login_needed
from mcp_background_job.agents.host.inbox import Inbox
from mcp_background_job.agents.host.lines import Output
from mcp_background_job.agents.host.request import HostRequest

#: Seconds for a connection to a remote agent.
_CONNECT_S = 10.0

#: What the SDK raises if an agent is unreachable, answers with an error, or does not speak the protocol.
_TROUBLE = (A2AError, httpx.HTTPError, httpx.InvalidURL, ParseError, KeyError, ValueError)


async def run(request: HostRequest, output: Output, inbox: Inbox) -> ParsedEnd:
    """Talk with the agent, and report the end."""
    try:
        end = await _converse(request, output, inbox)
    except _TROUBLE as trouble:
        end = end_of_trouble(trouble)
        if inbox.cancelled.is_set():  # a conversation that breaks while it is being stopped counts as stopped
            end = cancelled(**end.data)
    if end.data.get("reason") == AUTH:
        output.event(login_needed(end.data["error"]))
    output.end(end)
    return end


async def _converse(request: HostRequest, output: Output, inbox: Inbox) -> ParsedEnd:
    # Reading has no limit: a stream is silent for as long as the agent works. The run has its own limits.
    timeout = httpx.Timeout(None, connect=_CONNECT_S)
    async with httpx.AsyncClient(headers=_headers(request.config), timeout=timeout) as http:
        card = await inbox.unless_cancelled(_card(request.config, http))
        if card is None:
            return cancelled()
        return await Conversation(card, http, request, output, inbox).run()


def _headers(config: JsonObject) -> dict[str, str]:
    token = config.get("auth_token")
    return {**config["headers"], **({"Authorization": f"Bearer {token}"} if token else {})}


async def _card(config: JsonObject, http: httpx.AsyncClient) -> AgentCard:
    path = config.get("agent_card_path") or AGENT_CARD_WELL_KNOWN_PATH
    return await A2ACardResolver(http, config["agent_url"], path).get_agent_card(http_kwargs={"timeout": REQUEST_S})


def end_of_trouble(trouble: Exception) -> ParsedEnd:
    """Return the end of a conversation that the SDK gave up; httpx's error is the cause of the SDK's."""
    error = str(trouble) or type(trouble).__name__
    cause = trouble.__cause__ or trouble
    status = cause.response.status_code if isinstance(cause, httpx.HTTPStatusError) else None
    if reason := reason_of(error, status):
        return failed(reason, error)
    if isinstance(cause, httpx.HTTPError | httpx.InvalidURL):
        return failed(API_ERROR, error)
    if isinstance(trouble, A2AError):
        return failed(AGENT_ERROR, error)
    return failed("protocol", f"what the agent answers is not the Agent2Agent protocol: {error}")
