"""A real ACP agent, written on the SDK: the first word of a prompt says what it does.

``python acp_agent.py [--version N] [--login] [--remember] [--deaf | --die]``
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from typing import Any, cast

import acp
from acp.schema import (
    AgentCapabilities,
    AuthMethodAgent,
    InitializeResponse,
    NewSessionResponse,
    PermissionOption,
    PlanEntry,
    PromptResponse,
    SessionMode,
    SessionModeState,
    ToolCallUpdate,
)

OPTIONS = [
    PermissionOption(option_id="always", name="Yes, for ever", kind="allow_always"),
    PermissionOption(option_id="once", name="Yes", kind="allow_once"),
    PermissionOption(option_id="never", name="No", kind="reject_once"),
]


class ScriptedAgent:
    """Does as it is told; has what it needs of ``acp.Agent``."""

    def __init__(self, flags: list[str]) -> None:
        self.flags = flags
        self.logged_in = "--login" not in flags
        self.turn: asyncio.Future[Any] | None = None
        self.was_cancelled = False
        self.mode = "careful"

    def on_connect(self, conn: Any) -> None:
        self.client = conn

    async def initialize(self, protocol_version: int, **_: Any) -> InitializeResponse:
        version = int(self.flags[self.flags.index("--version") + 1]) if "--version" in self.flags else protocol_version
        methods = [AuthMethodAgent(id="browser", name="In the browser"), AuthMethodAgent(id="key", name="With a key")]
        return InitializeResponse(
            protocol_version=version,
            agent_capabilities=AgentCapabilities(load_session="--remember" in self.flags),
            auth_methods=[*methods] if "--login" in self.flags else [],
        )

    async def authenticate(self, method_id: str, **_: Any) -> None:
        if method_id != "key":
            raise acp.RequestError.internal_error({"details": "no browser"})
        self.logged_in = True

    async def new_session(self, cwd: str, **_: Any) -> NewSessionResponse:
        if not self.logged_in:
            raise acp.RequestError.auth_required()
        modes = [SessionMode(id=name, name=name) for name in ("careful", "bold")]
        return NewSessionResponse(
            session_id=f"session in {cwd}", modes=SessionModeState(available_modes=modes, current_mode_id="careful")
        )

    async def set_session_mode(self, mode_id: str, **_: Any) -> None:
        self.mode = mode_id

    async def load_session(self, session_id: str, **_: Any) -> None:
        self.session_id = session_id
        await self.say("said long ago")

    async def prompt(self, session_id: str, prompt: list[Any], **_: Any) -> PromptResponse:
        self.session_id = session_id
        word, _, rest = prompt[0].text.partition(" ")
        turn: asyncio.Future[Any] = asyncio.ensure_future(getattr(self, f"do_{word}")(rest))
        self.turn = turn
        try:
            return PromptResponse(stop_reason=await turn)
        except asyncio.CancelledError:
            if not self.was_cancelled:
                raise  # the client has closed the connection
            return PromptResponse(stop_reason="cancelled")

    async def cancel(self, **_: Any) -> None:
        await self.say("asked to stop")
        if "--die" in self.flags:
            os._exit(9)
        if self.turn and "--deaf" not in self.flags:
            self.was_cancelled = True
            self.turn.cancel()

    async def tell(self, update: Any) -> None:
        await self.client.session_update(self.session_id, update)

    async def say(self, text: str) -> None:
        await self.tell(acp.update_agent_message_text(text))

    async def do_echo(self, text: str) -> str:
        for word in text.split(" "):
            await self.say(f"{word} ")
        return "end_turn"

    async def do_mode(self, _: str) -> str:
        await self.say(self.mode)
        return "end_turn"

    async def do_run(self, command: str) -> str:
        raw = {"command": command}
        await self.tell(acp.start_tool_call("call", "a command", kind="execute", status="in_progress", raw_input=raw))
        process = await asyncio.create_subprocess_shell(command, start_new_session=True)
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        await self.tell(acp.update_tool_call("call", status="completed", raw_output={"exitCode": code}))
        return "end_turn"

    async def do_ask(self, _: str) -> str:
        call = ToolCallUpdate(tool_call_id="risky", title="rm -rf x", kind="execute")
        answer = await self.client.request_permission(session_id=self.session_id, tool_call=call, options=OPTIONS)
        await self.say(getattr(answer.outcome, "option_id", answer.outcome.outcome))
        return "end_turn"

    async def do_ask_twice(self, _: str) -> str:
        await asyncio.gather(self.do_ask(""), self.do_ask(""))
        return "end_turn"

    async def do_edit(self, path: str) -> str:
        diff = acp.tool_diff_content(path, "new", "old")
        await self.tell(acp.start_edit_tool_call("edit", "Edit", path, "new"))
        await self.tell(acp.update_tool_call("edit", status="completed", content=[diff]))
        entry = PlanEntry(content="look again", priority="low", status="pending")
        await self.tell(acp.update_plan([entry]))
        return "end_turn"

    async def do_flood(self, count: str) -> str:
        for number in range(int(count)):
            await self.tell(acp.start_tool_call(f"call {number}", "look", status="in_progress", kind="read"))
            await self.tell(acp.update_tool_call(f"call {number}", status="completed"))
        return "end_turn"

    async def do_long(self, size: str) -> str:
        await self.say("x" * int(size))
        return "end_turn"

    async def do_stop(self, reason: str) -> str:
        return reason

    async def do_unauthorized(self, _: str) -> str:
        raise acp.RequestError.auth_required({"details": "API Error: 401"})

    async def do_fail(self, text: str) -> str:
        raise acp.RequestError.internal_error({"details": text})

    async def do_crash(self, code: str) -> str:
        await self.say("about to crash")
        os._exit(int(code))

    async def do_crash_with_child(self, command: str) -> str:
        """Crash while a process that was left behind holds our output open."""
        await self.say("about to crash")
        await asyncio.create_subprocess_shell(command, start_new_session=True)
        os._exit(3)

    async def do_hang(self, _: str) -> str:
        await self.say("hanging")
        await asyncio.Event().wait()
        return "end_turn"


if __name__ == "__main__":
    with contextlib.suppress(ConnectionError):
        asyncio.run(acp.run_agent(cast("acp.Agent", ScriptedAgent(sys.argv[1:]))))
