"""A session with an ACP agent: initialize, a new or a resumed session, and turns until nothing more is to be done.

It uses the SDK's connection, with messages as plain objects: agents send fields and updates that the models of one
release of the schema refuse, and unknown ones are to be reported, not lost. The client offers the agent nothing (no
files, no terminals). So the agent does all its work itself, below the runner of the job.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterable
from typing import Any

from acp.core import Connection, RequestError

from mcp_background_job import __version__
from mcp_background_job.agents.adapters.answers import ALLOW, option_of_kind
from mcp_background_job.agents.adapters.base import Event, ParsedEnd
from mcp_background_job.agents.adapters.failures import AGENT_ERROR, AUTH
from mcp_background_job.agents.adapters.reading import JsonObject, known, mapping, objects, text
from mcp_background_job.agents.host.acp_agent import CLOSE_S, DRAIN_S, Agent
from mcp_background_job.agents.host.acp_choices import CHOICES, NotOfferedError, choosing
from mcp_background_job.agents.host.acp_ends import (
    AUTH_REQUIRED,
    PROTOCOL_VERSION,
    end_of_turn,
    gone,
    refused,
    strange_version,
)
from mcp_background_job.agents.host.acp_failures import UNDERSTANDS
from mcp_background_job.agents.host.acp_updates import Updates
from mcp_background_job.agents.host.endings import cancelled, failed, login_needed
from mcp_background_job.agents.host.inbox import Inbox
from mcp_background_job.agents.host.lines import Output
from mcp_background_job.agents.host.request import HostRequest
from mcp_background_job.core.run import EventType, RunStatus

#: Seconds for each step until the first turn. Four agents took 0.7 to 3.6 s in all; launchers of others download them
#: on first use.
START_S = 120.0

#: Seconds that an agent has to acknowledge a cancel before the runner stops it. Four agents took 0.03 to 0.16 s.
CANCEL_S = 1.0


class _OverError(Exception):
    """The session cannot continue; ``end`` says how it ended."""

    def __init__(self, end: ParsedEnd) -> None:
        super().__init__()
        self.end = end


class Session:
    """One session with one agent."""

    def __init__(self, agent: Agent, request: HostRequest, output: Output, inbox: Inbox) -> None:
        """Takes the agent when it has just started."""
        self._agent = agent
        self._request = request
        self._output = output
        self._inbox = inbox
        self._updates = Updates()
        self._is_open = False
        self._listening = True
        self._connection = Connection(self._handle, agent)
        self._cancel = asyncio.ensure_future(inbox.cancelled.wait())
        self._death = asyncio.ensure_future(agent.exited.wait())

    async def run(self) -> ParsedEnd:
        """Talk with the agent until nothing more is to be done; returns how it ended."""
        try:
            end = await self._converse()
        except _OverError as over:
            end = over.end
        except RequestError as error:
            otherwise = AGENT_ERROR if self._is_open else "resume" if self._request.resume else "no_session"
            end = refused(error.code, str(error), error.data, otherwise=otherwise)
        except ConnectionError:
            end = gone(await self._agent.ended(CLOSE_S), is_noise=self._agent.is_noise)
        self._tell(self._updates.end_turn())
        if end.data.get("reason") == AUTH:
            self._tell([login_needed(end.data["error"])])
        self._listening = False
        # A session that breaks while it is being stopped counts as stopped.
        return cancelled(**end.data) if end.status is RunStatus.FAILED and self._cancel.done() else end

    async def close(self) -> None:
        """Close the connection, and with it the agent's stdin."""
        self._cancel.cancel()
        await self._connection.close()

    async def _converse(self) -> ParsedEnd:
        hello = await self._start("initialize", _hello())
        version = hello.get("protocolVersion")
        if version != PROTOCOL_VERSION:
            return strange_version(version)
        self._updates.agent = text(mapping(hello.get("agentInfo")).get("name"))
        opened = await self._open(hello)
        session_id = str(opened.get("sessionId"))
        self._is_open = True
        self._output.session(session_id)
        data = {"status": "running", "backend_session_id": session_id, **_agent(hello)}
        self._tell([Event(EventType.STATUS_CHANGED, data)])
        await self._choose(session_id, opened)
        end = await self._take_turn(session_id, self._request.prompt)
        while end.status is RunStatus.COMPLETED and (message := self._inbox.next_message()) is not None:
            end = await self._take_turn(session_id, message)
        return end

    async def _choose(self, session_id: str, opened: JsonObject) -> None:
        """Set the requested mode and model; the session ends if the agent does not take one."""
        for what in CHOICES:
            wanted = self._request.config.get(what)
            if wanted is None:
                continue
            try:
                await self._start(*choosing(what, str(wanted), session_id, opened))
            except NotOfferedError as error:
                raise _OverError(failed(what, str(error))) from error
            except RequestError as refusal:
                raise _OverError(failed(what, f"the agent does not take {what} {wanted!r}: {refusal}")) from refusal

    async def _open(self, hello: JsonObject) -> JsonObject:
        while True:
            try:
                return await self._new_session() if self._request.resume is None else await self._old_session(hello)
            except RequestError as error:
                methods = [_method(method) for method in objects(hello.get("authMethods"))]
                # Without a session no model was asked yet, so the work can still begin after a login.
                if error.code != AUTH_REQUIRED or not methods:
                    raise
                await self._log_in(str(error), methods)

    async def _new_session(self) -> JsonObject:
        return await self._start("session/new", {"cwd": self._request.cwd, "mcpServers": []})

    async def _old_session(self, hello: JsonObject) -> JsonObject:
        session_id = self._request.resume
        can = mapping(hello.get("agentCapabilities"))
        params: JsonObject = {"sessionId": session_id, "cwd": self._request.cwd, "mcpServers": []}
        if isinstance(mapping(can.get("sessionCapabilities")).get("resume"), dict):
            opened = await self._start("session/resume", params)
        elif can.get("loadSession") is True:
            self._listening = False  # the agent repeats the whole conversation
            opened = await self._start("session/load", params)
            self._listening = True
        else:
            raise _OverError(failed("resume", "this agent cannot resume a session; spawn a new run"))
        return {**opened, "sessionId": session_id}

    async def _log_in(self, error: str, methods: list[JsonObject]) -> None:
        answer = await self._result(self._inbox.ask(login_needed(error, methods=methods)))
        if answer is None:
            raise _OverError(cancelled())
        try:
            # No limit: a person may have to find the browser first.
            await self._result(self._connection.send_request("authenticate", {"methodId": answer.get("method_id")}))
        except RequestError as refusal:
            raise RequestError(AUTH_REQUIRED, f"the login failed: {refusal}") from refusal

    async def _take_turn(self, session_id: str, message: str) -> ParsedEnd:
        self._updates.begin_turn()
        params = {"sessionId": session_id, "prompt": [{"type": "text", "text": message}]}
        asked = asyncio.ensure_future(self._connection.send_request("session/prompt", params))
        await self._wait(asked)
        if self._cancel.done() and not asked.done():
            await self._stop(session_id, asked)
        answer = mapping(self._outcome(asked))
        self._tell(self._updates.end_turn())
        return end_of_turn(answer, self._updates)

    async def _stop(self, session_id: str, asked: asyncio.Future[Any]) -> None:
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(CANCEL_S):
                await self._connection.send_notification("session/cancel", {"sessionId": session_id})
                await asyncio.wait({asked, self._death}, return_when=asyncio.FIRST_COMPLETED)

    async def _start(self, method: str, params: JsonObject) -> JsonObject:
        return mapping(await self._result(self._connection.send_request(method, params), START_S))

    async def _result(self, asking: Coroutine[Any, Any, Any], patience_s: float | None = None) -> Any:
        asked = asyncio.ensure_future(asking)
        await self._wait(asked, patience_s)
        return self._outcome(asked)

    async def _wait(self, asked: asyncio.Future[Any], patience_s: float | None = None) -> None:
        """Wait for an answer, a cancel, or the agent's exit, but at most so many seconds."""
        waited_for = {asked, self._cancel, self._death}
        await asyncio.wait(waited_for, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        if self._death.done() and not asked.done():
            await asyncio.wait({asked}, timeout=DRAIN_S)

    def _outcome(self, asked: asyncio.Future[Any]) -> Any:
        """Return the answer, or raise the reason why there is none."""
        if asked.done():
            return asked.result()
        asked.cancel()
        if self._cancel.done():
            raise _OverError(cancelled())
        if self._death.done():
            raise ConnectionError
        raise _OverError(failed("protocol", f"the agent has not answered within {START_S:.0f} s; is it an ACP agent?"))

    async def _handle(self, method: str, params: Any, is_notification: bool) -> Any:  # noqa: FBT001  the SDK's signature
        match method:
            case "session/update":
                if self._listening:
                    self._tell(self._updates.feed(mapping(mapping(params).get("update"))))
                return None
            case "session/request_permission":
                return {"outcome": await self._permission(mapping(params))}
            case _ if is_notification:
                return None
            case _:
                raise RequestError.method_not_found(method)

    async def _permission(self, params: JsonObject) -> JsonObject:
        call = mapping(params.get("toolCall"))
        options = [_option(option) for option in objects(params.get("options"))]
        self._tell(self._updates.before_permission(call))
        chosen = option_of_kind(options, ALLOW) if self._request.config.get("full_access") is True else None
        if chosen is not None:
            self._tell([Event(EventType.REASONING, {"text": f"allowed without asking: {call.get('title')}"})])
        else:
            what = call.get("title") or "the use of a tool"
            data = {"kind": "permission", "text": what, "options": options, "tool_call": call}
            answer = await self._inbox.ask(Event(EventType.INPUT_REQUIRED, data))
            chosen = answer and answer.get("option_id")
        return {"outcome": "cancelled"} if chosen is None else {"outcome": "selected", "optionId": chosen}

    def _tell(self, events: Iterable[Event]) -> None:
        for event in events:
            self._output.event(event)
        self._output.beat()


def _hello() -> JsonObject:
    us = {"name": "mcp-background-job", "version": __version__}
    return {"protocolVersion": PROTOCOL_VERSION, "clientCapabilities": {"_meta": UNDERSTANDS}, "clientInfo": us}


def _agent(hello: JsonObject) -> JsonObject:
    info = mapping(hello.get("agentInfo"))
    return {"agent": f"{info.get('name')} {info.get('version')}"} if info else {}


def _option(option: JsonObject) -> JsonObject:
    return known(option_id=str(option.get("optionId")), name=option.get("name"), kind=option.get("kind"))


def _method(method: JsonObject) -> JsonObject:
    return known(id=method.get("id"), name=method.get("name"), description=method.get("description"))
