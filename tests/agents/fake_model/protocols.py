"""How three protocols write a reply, and what they say of the conversation so far. Only what the agents need."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Protocol

from tests.agents.fake_model.scenarios import Call, Drop, Err, Say


class Dialect(Protocol):
    """One protocol."""

    def outputs(self, body: Any) -> list[str]:
        """Return what the commands of the conversation have given, in the words of the request."""
        ...

    def chunks(self, reply: Say | Call | Drop | Err, body: Any) -> Iterator[Any]:
        """Return the events of a stream that says it."""
        ...

    def is_aside(self, body: Any) -> bool:
        """Tell whether the agent asks for something beside the conversation, such as a title for it."""
        ...


class Responses:
    """OpenAI's Responses, which Codex speaks."""

    def is_aside(self, body: Any) -> bool:
        return not body["tools"]

    def outputs(self, body: Any) -> list[str]:
        return [json.dumps(item["output"]) for item in body["input"] if item.get("type") == "function_call_output"]

    def chunks(self, reply: Say | Call | Drop | Err, body: Any) -> Iterator[Any]:
        yield {"type": "response.created", "response": {"id": "resp-1"}}
        if isinstance(reply, Drop):
            return
        if isinstance(reply, Err):
            error = {"code": "invalid_prompt", "message": "fake failure in the stream"}
            yield {"type": "response.failed", "response": {"id": "resp-1", "error": error}}
            return
        item = self._message(reply.text) if isinstance(reply, Say) else self._call(reply.command, body)
        yield {"type": "response.output_item.done", "output_index": 0, "item": item}
        usage = {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}
        yield {"type": "response.completed", "response": {"id": "resp-1", "output": [item], "usage": usage}}

    def _message(self, text: str) -> Any:
        content: list[Any] = [{"type": "output_text", "text": text, "annotations": []}]
        return {"type": "message", "role": "assistant", "id": "msg-1", "content": content}

    def _call(self, command: str, body: Any) -> Any:
        names = {tool.get("name") for tool in body["tools"]}
        # Its tool for commands has had several names and forms.
        name, arguments = next(
            (name, arguments)
            for name, arguments in (
                ("exec_command", {"cmd": command, "yield_time_ms": 20_000}),
                ("shell_command", {"command": command, "timeout_ms": 600_000}),
                ("shell", {"command": ["bash", "-lc", command], "timeout_ms": 600_000}),
            )
            if name in names
        )
        called = {"name": name, "arguments": json.dumps(arguments)}
        return {"type": "function_call", "id": "fc-1", "call_id": "call-1", **called}


class GenerateContent:
    """Google's, which Gemini CLI speaks."""

    def is_aside(self, body: Any) -> bool:
        return not body.get("tools")

    def outputs(self, body: Any) -> list[str]:
        parts = [part for content in body["contents"] for part in content["parts"]]
        return [json.dumps(part["functionResponse"]["response"]) for part in parts if "functionResponse" in part]

    def chunks(self, reply: Say | Call | Drop | Err, body: Any) -> Iterator[Any]:  # noqa: ARG002  as Dialect has it
        if isinstance(reply, Drop | Err):
            yield {"candidates": [{"content": {"role": "model", "parts": []}, "index": 0}]}
            return
        if isinstance(reply, Say):
            parts: list[Any] = [{"text": piece} for piece in reply.text.partition(" ")]  # as real messages come
        else:
            parts = [{"functionCall": {"name": "run_shell_command", "args": {"command": reply.command}}}]
        usage = {"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18}
        for number, part in enumerate(parts, 1):
            candidate = {"content": {"role": "model", "parts": [part]}, "index": 0}
            last = {"finishReason": "STOP"} if number == len(parts) else {}
            yield {"candidates": [candidate | last], "usageMetadata": usage, "modelVersion": "fake"}


class ChatCompletions:
    """OpenAI's older one, which opencode speaks to any provider."""

    def is_aside(self, body: Any) -> bool:
        return not body.get("tools")

    def outputs(self, body: Any) -> list[str]:
        return [json.dumps(message["content"]) for message in body["messages"] if message["role"] == "tool"]

    def chunks(self, reply: Say | Call | Drop | Err, body: Any) -> Iterator[Any]:  # noqa: ARG002  as Dialect has it
        if isinstance(reply, Drop | Err):
            yield {"error": {"message": "the connection to the model was lost", "type": "server_error", "code": 503}}
            return
        if isinstance(reply, Say):
            yield self._chunk({"role": "assistant", "content": reply.text})
        else:
            called = {"name": "bash", "arguments": json.dumps({"command": reply.command, "description": "as asked"})}
            call = {"index": 0, "id": "call-1", "type": "function", "function": called}
            yield self._chunk({"role": "assistant", "tool_calls": [call]})
        usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
        yield self._chunk({}, "stop" if isinstance(reply, Say) else "tool_calls") | {"usage": usage}

    def _chunk(self, delta: Any, finish_reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return {"id": "chat-1", "object": "chat.completion.chunk", "created": 0, "model": "fake", "choices": [choice]}


class Messages:
    """Anthropic's, which Claude Code speaks."""

    def is_aside(self, body: Any) -> bool:
        return not body.get("tools")

    def outputs(self, body: Any) -> list[str]:
        contents = [message["content"] for message in body["messages"]]
        parts = [part for content in contents if not isinstance(content, str) for part in content]
        return [json.dumps(part["content"]) for part in parts if part["type"] == "tool_result"]

    def whole(self, text: str, body: Any) -> Any:
        """Return a message that is not streamed, for which Claude Code asks when a stream broke off."""
        content, usage = [{"type": "text", "text": text}], {"input_tokens": 11, "output_tokens": 7}
        told = {"id": "msg-1", "type": "message", "role": "assistant", "model": body["model"], "content": content}
        return told | {"stop_reason": "end_turn", "stop_sequence": None, "usage": usage}

    def chunks(self, reply: Say | Call | Drop | Err, body: Any) -> Iterator[Any]:
        usage = {"input_tokens": 11, "output_tokens": 1}
        message = self.whole("", body) | {"content": [], "stop_reason": None, "usage": usage}
        yield {"type": "message_start", "message": message}
        if isinstance(reply, Drop):
            return
        if isinstance(reply, Err):
            error = {"type": "invalid_request_error", "message": "fake failure in the stream"}
            yield {"type": "error", "error": error}
            return
        if isinstance(reply, Say):
            block: Any = {"type": "text", "text": ""}
            delta = {"type": "text_delta", "text": reply.text}
        else:
            block = {"type": "tool_use", "id": "toolu-1", "name": "Bash", "input": {}}
            asked = json.dumps({"command": reply.command, "description": "as asked"})
            delta = {"type": "input_json_delta", "partial_json": asked}
        yield {"type": "content_block_start", "index": 0, "content_block": block}
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
        yield {"type": "content_block_stop", "index": 0}
        stop = {"stop_reason": "end_turn" if isinstance(reply, Say) else "tool_use", "stop_sequence": None}
        yield {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 7}}
        yield {"type": "message_stop"}


def dialect_of(path: str) -> Dialect | None:
    """Return the protocol of a request."""
    if path.endswith("/messages"):
        return Messages()
    if path.endswith("/responses"):
        return Responses()
    if path.endswith("/chat/completions"):
        return ChatCompletions()
    return GenerateContent() if path.endswith(":streamGenerateContent") else None
