"""Reads the output of Claude Code with ``--output-format stream-json``, in both input modes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from mcp_background_job.agents.adapters.base import Event, ParsedEnd
from mcp_background_job.agents.adapters.calls import Tools, begun, ended, words_of
from mcp_background_job.agents.adapters.failures import AGENT_ERROR, API_ERROR, reason_of
from mcp_background_job.agents.adapters.lines import LineParser, Reader
from mcp_background_job.agents.adapters.reading import JsonObject, integer, known, mapping, objects, text
from mcp_background_job.core.run import EventType, RunStatus

#: The tool by which the agent asks the user a question; it asks for permission to use this tool as for any other.
_QUESTION_TOOL = "AskUserQuestion"

_TOOLS = Tools(
    commands=frozenset({"Bash"}),
    edits=frozenset({"Edit", "MultiEdit", "Write", "NotebookEdit"}),
    path=("file_path", "notebook_path"),
    plans={"TodoWrite": "todos"},
)

#: A failed command gives its exit code only as the first words of its result. The pattern takes three digits at most:
#: Python refuses to convert thousands of digits to a number.
_EXIT_CODE = re.compile(r"Exit code (\d{1,3})\b")

_OPTIONS = (
    {"option_id": "allow_once", "name": "Allow", "kind": "allow_once"},
    {"option_id": "allow_always", "name": "Allow for this session", "kind": "allow_always"},
    {"option_id": "reject_once", "name": "Deny", "kind": "reject_once"},
)


class ClaudeParser(LineParser):
    """Reads the messages of Claude Code.

    Attributes:
        pending: the requests that wait for an answer, by request id, the oldest first. Each has the data of its event
            as ``asked``, and the fields that an answer has to repeat.
        takes_input: whether the agent has answered on the channel for further input.
    """

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        super().__init__(state)
        state = state or {}
        self.pending: dict[str, JsonObject] = dict(state.get("pending", {}))
        self.takes_input: bool = state.get("takes_input", False)

    def dump(self) -> JsonObject:
        return super().dump() | {"pending": dict(self.pending), "takes_input": self.takes_input}

    def _read_system(self, message: JsonObject) -> list[Event]:
        match message.get("subtype"):
            case "init":
                self.session_id = text(message.get("session_id")) or self.session_id
                self.end = None
                data = known(backend_session_id=self.session_id, model=text(message.get("model")))
                return [Event(EventType.STATUS_CHANGED, {"status": "running"} | data)]
            case "api_retry":
                facts = {key: message.get(key) for key in ("attempt", "max_retries", "error_status")}
                words = f"The model could not be asked ({text(message.get('error'))}); trying again"
                return [Event(EventType.REASONING, {"text": words, "warning": True} | known(**facts))]
            case _:
                return []

    def _read_assistant(self, message: JsonObject) -> list[Event]:
        parent = text(message.get("parent_tool_use_id"))
        # The model did not write a message that has an error; the program wrote it in the model's place.
        failed = bool(text(message.get("error")))
        told: list[Event] = []
        written = mapping(message.get("message"))
        about = known(message_id=text(written.get("id")), parent_id=parent)
        for block in objects(written.get("content")):
            match block.get("type"):
                case "text" if failed:
                    told.append(Event(EventType.REASONING, {"text": text(block.get("text")), "warning": True}))
                case "text":
                    if not parent:
                        self.said = text(block.get("text"))
                    told.append(Event(EventType.AGENT_MESSAGE, about | {"text": text(block.get("text"))}))
                case "thinking":
                    told.append(Event(EventType.REASONING, {"text": text(block.get("thinking"))}))
                case "tool_use":
                    told += self._begun(block, parent)
                case _:
                    pass
        return told

    def _begun(self, block: JsonObject, parent: str) -> list[Event]:
        call_id, name, arguments = text(block.get("id")), text(block.get("name")), mapping(block.get("input"))
        self.open_call(call_id, name=name, path=_TOOLS.path_in(name, arguments))
        return begun(_TOOLS, call_id, name, arguments, parent_id=parent)

    def _read_user(self, message: JsonObject) -> list[Event]:
        """Read a tool's result, or a message of the program in the user's name, such as that it was interrupted."""
        content = mapping(message.get("message")).get("content")
        result = mapping(message.get("tool_use_result"))
        told: list[Event] = []
        for block in [{"type": "text", "text": content}] if isinstance(content, str) else objects(content):
            match block.get("type"):
                case "tool_result":
                    told += self._ended(block, result)
                case "text":
                    told.append(Event(EventType.MESSAGE_ADDED, {"role": "user", "text": text(block.get("text"))}))
                case _:
                    pass
        return told

    def _ended(self, block: JsonObject, result: JsonObject) -> list[Event]:
        call_id, output = text(block.get("tool_use_id")), words_of(block.get("content"))
        call = self.end_call(call_id)
        failed = block.get("is_error") is True
        found = _EXIT_CODE.match(output) if failed else None
        more = known(
            path=text(call.get("path")),
            kind="add" if result.get("type") == "create" else None,
            exit_code=int(found.group(1)) if found else None,
        )
        answered = self._settle({key for key, one in self.pending.items() if one["tool_use_id"] == call_id})
        return answered + ended(_TOOLS, call_id, text(call.get("name")), output, failed=failed, **more)

    def _read_result(self, message: JsonObject) -> list[Event]:
        usage = mapping(message.get("usage")) | known(total_cost_usd=message.get("total_cost_usd"))
        if message.get("subtype") == "success" and message.get("is_error") is not True:
            said = text(message.get("result"))
            data = known(structured_output=message.get("structured_output"), usage=usage)
            self.end = ParsedEnd(RunStatus.COMPLETED, {"final_response": said} | data)
        else:
            self.end = ParsedEnd(RunStatus.FAILED, known(**_failure_in(message), usage=usage))
        return self._settle(set(self.pending))

    def _read_control_request(self, message: JsonObject) -> list[Event]:
        request, request_id = mapping(message.get("request")), text(message.get("request_id"))
        if request.get("subtype") != "can_use_tool" or not request_id:
            return []
        asked = _asked(request_id, request)
        self.pending[request_id] = {
            "asked": asked,
            "tool_use_id": text(request.get("tool_use_id")),
            "input": mapping(request.get("input")),
            "suggestions": objects(request.get("permission_suggestions")),
        }
        return [Event(EventType.INPUT_REQUIRED, asked)]

    def _read_control_cancel(self, message: JsonObject) -> list[Event]:
        return self._settle({text(message.get("request_id"))} & self.pending.keys())

    def _read_control_response(self, _message: JsonObject) -> list[Event]:
        self.takes_input = True
        return []

    def _settle(self, request_ids: set[str]) -> list[Event]:
        """Note that nobody waits for these answers any more."""
        for request_id in request_ids:
            del self.pending[request_id]
        return [Event(EventType.STATUS_CHANGED, {"status": "running"})] if request_ids and not self.pending else []

    readers: ClassVar[Mapping[str, Reader]] = {
        "system": _read_system,
        "assistant": _read_assistant,
        "user": _read_user,
        "result": _read_result,
        "control_request": _read_control_request,
        "control_cancel_request": _read_control_cancel,
        "control_response": _read_control_response,
    }


def _asked(request_id: str, request: JsonObject) -> JsonObject:
    """Return the data of the event for a request."""
    name, arguments = text(request.get("tool_name")), mapping(request.get("input"))
    questions = objects(arguments.get("questions"))
    if name == _QUESTION_TOOL and questions:
        words = "\n".join(text(question.get("question")) for question in questions)
        return {"request_id": request_id, "kind": "question", "text": words, "questions": questions}
    offered = [dict(option) for option in _OPTIONS if option["kind"] != "allow_always" or _suggestions(request)]
    words = text(request.get("description")) or f"Claude Code asks to use {name}"
    call = {"id": text(request.get("tool_use_id")), "name": name, "input": arguments}
    return {"request_id": request_id, "kind": "permission", "text": words, "options": offered, "tool_call": call}


def _suggestions(request: JsonObject) -> list[JsonObject]:
    return objects(request.get("permission_suggestions"))


def _failure_in(message: JsonObject) -> JsonObject:
    """Return why a turn failed: by its subtype, or by an error of the model behind a ``success`` that ``is_error``."""
    errors = message.get("errors")
    listed = "; ".join(map(str, errors)) if isinstance(errors, list) else ""  # pyright: ignore[reportUnknownArgumentType]  JSON
    error = text(message.get("result")) or listed or text(message.get("subtype")) or "the turn failed"
    reason = reason_of(error, integer(message.get("api_error_status")))
    subtype = text(message.get("subtype")).removeprefix("error_")
    other = text(message.get("terminal_reason")) or (subtype if subtype != "success" else "")
    # If a turn was interrupted or reached one of our limits, its words do not come from the model's server.
    return {"error": error, "reason": (reason if other in ("", API_ERROR) else other) or other or AGENT_ERROR}
