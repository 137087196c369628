"""How four protocols write a word, or the call of a tool: Messages, Responses, GenerateContent, chat completions."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any, cast

_USAGE = {"input_tokens": 1, "output_tokens": 1}
_USAGE_OF_RESPONSES = {
    **_USAGE,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 2,
}
MESSAGE = {"id": "m1", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None, "usage": _USAGE}


@dataclass(frozen=True)
class Tool:
    """A tool as a request offers it; Codex has those of a server in a namespace."""

    name: str
    namespace: str | None = None


def tool_named(ending: str, offered: Any, namespace: str | None = None) -> Tool | None:
    """Return the tool that a request offers under a name with this ending: each client puts something before it."""
    if isinstance(offered, list):
        items = cast("list[Any]", offered)
        return next((tool for item in items if (tool := tool_named(ending, item, namespace))), None)
    if not isinstance(offered, dict):
        return None
    item = cast("dict[str, Any]", offered)
    name = item.get("name")
    below = [item.get(key) for key in ("functionDeclarations", "function", "tools")]
    if isinstance(name, str) and name.endswith(ending):
        return Tool(name, namespace)
    return tool_named(ending, below, name if item.get("type") == "namespace" else namespace)


def events(path: str, tool: Tool | None, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the stream that calls a tool, or says a word, in the protocol that is spoken at a path."""
    if path.endswith("/responses"):
        return _responses(tool, arguments)
    if path.endswith("/chat/completions"):
        return _chat(tool, arguments)
    return _generated(tool, arguments) if ":" in path else _messages(tool, arguments)


def _messages(tool: Tool | None, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    block: dict[str, Any]
    if tool:
        # Claude Code leaves out a call whose id it has seen.
        block = {"type": "tool_use", "id": f"toolu_{uuid.uuid4().hex}", "name": tool.name, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(arguments)}
    else:
        block = {"type": "text", "text": ""}
        delta = {"type": "text_delta", "text": "ok"}
    end = {"stop_reason": "tool_use" if tool else "end_turn", "stop_sequence": None}
    return [
        {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": end, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]


def _responses(tool: Tool | None, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    text: dict[str, Any] = {"type": "output_text", "text": "ok", "annotations": []}
    item: dict[str, Any] = {"type": "message", "role": "assistant", "id": "msg_1", "content": [text]}
    if tool:
        call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "namespace": tool.namespace}
        item = {**call, "name": tool.name, "arguments": json.dumps(arguments)}
    return [
        {"type": "response.created", "response": {"id": "resp_1"}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": {"id": "resp_1", "output": [item], "usage": _USAGE_OF_RESPONSES}},
    ]


def _generated(tool: Tool | None, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    part = {"functionCall": {"name": tool.name, "args": arguments}} if tool else {"text": "ok"}
    candidate = {"content": {"role": "model", "parts": [part]}, "index": 0, "finishReason": "STOP"}
    usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
    return [{"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m"}]


def _chat(tool: Tool | None, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    delta: dict[str, Any] = {"role": "assistant", "content": "ok"}
    if tool:
        called = {"name": tool.name, "arguments": json.dumps(arguments)}
        call = {"index": 0, "id": "call_1", "type": "function", "function": called}
        delta = {"role": "assistant", "tool_calls": [call]}
    chunk = {"id": "chat-1", "object": "chat.completion.chunk", "created": 0, "model": "m"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    end: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": "tool_calls" if tool else "stop"}
    return [
        {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        {**chunk, "choices": [end], "usage": usage},
    ]
