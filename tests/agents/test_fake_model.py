"""The fake model says what its scenarios say, in every protocol."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.agents.fake_model.server import FakeModel
from tests.patience import PATIENCE_S

PATHS = {
    "responses": "/v1/responses",
    "gemini": "/v1beta/models/m:streamGenerateContent",
    "chat": "/v1/chat/completions",
    "messages": "/v1/messages",
}

_SOME: list[Any] = [{}]


def _body(protocol: str, output: str | None = None) -> Any:
    if protocol == "responses":
        results: list[Any] = [{"type": "function_call_output", "output": output}] if output else []
        return {"input": [{"type": "message"}, *results], "tools": [{"name": "exec_command"}]}
    if protocol == "chat":
        answers: list[Any] = [{"role": "tool", "content": output}] if output else []
        return {"messages": [{"role": "user", "content": "hello"}, *answers], "tools": _SOME}
    if protocol == "messages":
        results = [{"type": "tool_result", "content": output}] if output else []
        return {"model": "fake", "stream": True, "messages": [{"role": "user", "content": [*results]}], "tools": _SOME}
    parts: list[Any] = [{"functionResponse": {"response": {"output": output}}}] if output else [{"text": "hello"}]
    return {"contents": [{"role": "user", "parts": parts}], "tools": _SOME}


def _ask(model: FakeModel, scenario: str, protocol: str, output: str | None = None) -> tuple[int, str]:
    address = urlsplit(model.url(scenario))
    connection = http.client.HTTPConnection(address.netloc, timeout=PATIENCE_S)
    try:
        connection.request("POST", address.path + PATHS[protocol], json.dumps(_body(protocol, output)))
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("protocol", PATHS)
def test_it_plays_every_scenario(protocol: str) -> None:
    with FakeModel(commands={"tool": "echo made"}) as model:
        status, said = _ask(model, "hello", protocol)
        assert (status, "from the model" in said) == (200, True)
        assert "echo made" in _ask(model, "tool", protocol)[1]
        assert "done:" in _ask(model, "tool", protocol, output="it was made")[1]
        status, said = _ask(model, "http401", protocol)
        assert (status, "fake error 401" in said) == (401, True)
        dropped, whole = _ask(model, "flaky", protocol)[1], _ask(model, "flaky", protocol)[1]
        assert "from the model" not in dropped
        assert "from the model" in whole
        scenarios = [asked.scenario for asked in model.asked]
        assert scenarios == ["hello", "tool", "tool", "http401", "flaky", "flaky"]
