"""What an agent may print, for hypothesis: what agents did print, spoiled; what their words make; and anything."""

from __future__ import annotations

import json
from typing import Any, cast

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.agents.recordings import RECORDINGS, lines_of

_RECORDED = [line for recording in RECORDINGS for line in lines_of(recording)]


def _words(value: Any) -> set[str]:
    """Return every key, and every text that may be a name of something, in a message."""
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value)
        return set(items).union(*map(_words, items.values()))
    if isinstance(value, list):
        return set[str]().union(*map(_words, cast("list[Any]", value)))
    return {value} if isinstance(value, str) and len(value) < 30 and " " not in value else set()


#: Keys and names that the agents use: messages that are made of them get further than random ones.
_VOCABULARY = sorted(
    set[str]().union(*(_words(json.loads(line)) for line in _RECORDED))
    | {"control_request", "control_cancel_request", "can_use_tool", "questions", "todos", "file_change", "todo_list"}
    | {"mcp_tool_call", "web_search", "changes", "items", "arguments", "cost", "total_cost_usd", "structured_output"}
    | {"AskUserQuestion", "TodoWrite", "Write", "write_file", "write_todos", "edit", "todowrite", "api_retry"}
)


def _longer(inner: SearchStrategy[Any]) -> SearchStrategy[Any]:
    lists: SearchStrategy[Any] = st.lists(inner, max_size=3)
    return lists | st.dictionaries(_names | st.text(max_size=3), inner, max_size=5)


_names: SearchStrategy[str] = st.sampled_from(_VOCABULARY)
_plain: SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), _names, st.text()
)
_values: SearchStrategy[Any] = st.recursive(_plain, _longer, max_leaves=6)
_recorded: SearchStrategy[bytes] = st.sampled_from(_RECORDED)


@st.composite
def _spoiled(draw: st.DrawFn) -> bytes:
    """Return a recorded message of which one value is another one."""
    message: Any = json.loads(draw(_recorded))
    place = message
    while True:
        key = draw(st.sampled_from(_keys_of(place)))
        if not _keys_of(place[key]) or draw(st.booleans()):
            place[key] = draw(_values)
            return json.dumps(message).encode()
        place = place[key]


def _keys_of(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(cast("dict[str, Any]", value))
    return list(range(len(cast("list[Any]", value)))) if isinstance(value, list) else []


@st.composite
def _cut(draw: st.DrawFn) -> bytes:
    line = draw(_recorded)
    return line[: draw(st.integers(0, len(line)))]


@st.composite
def _made(draw: st.DrawFn) -> bytes:
    message = draw(st.dictionaries(_names, _values, max_size=6))
    return json.dumps(message | {"type": draw(_names)} if draw(st.booleans()) else message).encode()


_lines = st.one_of(st.binary(max_size=200), _recorded, _cut(), _spoiled(), _made()).map(
    lambda line: line.replace(b"\n", b" ")
)

LINES: SearchStrategy[list[bytes]] = st.lists(_lines, max_size=6)
