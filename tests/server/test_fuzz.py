"""Hostile values for every argument of every tool, over real stdio: the server lives, and every answer is in its form.

No call is meant to do anything: what would start, stop or send something gets a job, run or command that is not there.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from mcp_background_job.server.answers import ERROR_CODE
from tests.patience import PATIENCE_S
from tests.server.lines import LineClient

pytestmark = pytest.mark.real_process

_CALLS = 300
_CALLS_NIGHTLY = 20_000

_TEXTS = (
    "", " ", "\0", "\n", "null", "true", "-1", "NaN", "[", "]", "{}", "[]", '["a"]', '{"a":1}', '"', "(", "(?:", "*",
    "1e999", "[abc]", "../../etc/passwd", "/", "~", "%s%n", "\ud800", "\N{RIGHT-TO-LEFT OVERRIDE}x", "é" * 300,
    "x" * 100_000, "port:0", "port:99999999999999999999", "idle:nan", "idle:1e400", "exit", "[" * 5000,
    "'; DROP TABLE jobs; --",
)  # fmt: skip
#: A wait that is meant would take its time, and a command that is one would run.
_HARMLESS: dict[str, Any] = {"wait_s": 0, "wait_ms": 0, "command": " "}

_NUMBERS = (0, -1, 1, 2**31, 2**63, -(2**63), 2**64, 10**400, 0.1, -0.5, 1e308, 5e-324)


def _value(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.randrange(6 if depth < 3 else 3)
    if kind == 0:
        return chance.choice(_TEXTS)
    if kind == 1:
        return chance.choice(_NUMBERS)
    if kind == 2:
        return chance.choice((None, True, False))
    if kind == 3:
        return [_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    if kind == 4:
        return {chance.choice(_TEXTS)[:200]: _value(chance, depth + 1) for _ in range(chance.randrange(4))}
    deep: Any = "x"
    for _ in range(chance.choice((50, 150))):
        deep = [deep]
    return deep


def _arguments(chance: random.Random, schema: dict[str, Any]) -> dict[str, Any]:
    names = list(schema["properties"])
    chosen = {name for name in names if chance.random() < 0.4} | {
        name for name in schema.get("required", ()) if chance.random() < 0.9
    }
    arguments = {name: _value(chance) for name in chosen}
    if chance.random() < 0.1:
        arguments[chance.choice(_TEXTS)[:200]] = _value(chance)
    return arguments | {name: _HARMLESS[name] for name in _HARMLESS.keys() & set(names)}


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[LineClient]:
    """A server with nothing in its state directory, and no ComfyUI."""
    state = tmp_path_factory.mktemp("fuzz") / "state"
    client = LineClient({"MCP_BG_STATE_DIR": str(state), "COMFYUI_PORT": "9"})
    try:
        yield client
    finally:
        assert client.close(PATIENCE_S) == 0


#: Tools that act on a ComfyUI or an agent of this machine if one is found: only their refusals are looked at elsewhere.
_LEFT_OUT = ("start_comfyui", "stop_comfyui", "restart_comfyui", "spawn_run")


def _calls(server: LineClient, seed: int) -> Iterator[tuple[str, dict[str, Any], Callable[[Any], bool] | None]]:
    chance = random.Random(seed)  # noqa: S311  a failure names its seed and is seen again
    tools = server.ask("tools/list", {})["result"]["tools"]
    validator: Any = Draft202012Validator  # what it says of its own types is not whole
    forms = {
        tool["name"]: validator(tool["outputSchema"]).is_valid if "outputSchema" in tool else None for tool in tools
    }
    while True:
        for tool in tools:
            if tool["name"] not in _LEFT_OUT:
                yield tool["name"], _arguments(chance, tool["inputSchema"]), forms[tool["name"]]


def _fuzz(server: LineClient, calls: int, seed: int) -> None:
    refused = 0
    for number, (tool, arguments, is_in_form) in enumerate(_calls(server, seed)):
        if number == calls:
            break
        answer = server.ask("tools/call", {"name": tool, "arguments": arguments})
        what = f"seed {seed}, call {number}: {tool}({arguments!r:.500}) -> {answer!r:.500}"
        assert "result" in answer, what
        result = answer["result"]
        if result.get("isError"):
            refused += 1
            (content,) = result["content"]
            assert result.get("_meta", {}).get(ERROR_CODE), what
            assert "Traceback" not in content["text"], what
            assert len(content["text"]) < 3000, what
        elif is_in_form:
            assert is_in_form(result["structuredContent"]), what
    assert refused > calls / 2
    assert server.ask("ping", {})["result"] == {}


def test_hostile_arguments_get_an_answer_in_form(server: LineClient) -> None:
    _fuzz(server, _CALLS, seed=1)


@pytest.mark.nightly
def test_twenty_thousand_hostile_calls_get_an_answer_in_form(server: LineClient) -> None:
    seed = random.SystemRandom().randrange(2**32)
    _fuzz(server, _CALLS_NIGHTLY, seed)
