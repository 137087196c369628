"""How the mode and the model of an ACP session are chosen, from what four real agents offer."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_background_job.agents.host.acp_choices import NotOfferedError, choosing


def _modes(*ids: str) -> dict[str, Any]:
    return {"modes": {"currentModeId": ids[0], "availableModes": [{"id": name, "name": name} for name in ids]}}


def _option(name: str, *options: dict[str, Any], category: str | None = None) -> dict[str, Any]:
    return {"id": name, "category": category or name, "type": "select", "options": list(options)}


#: Codex has its modes in groups where the user has profiles; Gemini CLI offers no model; opencode has no list of modes.
_CODEX = {
    **_modes("agent", "read-only"),
    "configOptions": [
        _option("mode", {"group": "sandbox-modes", "options": [{"value": "agent"}, {"value": "permission-profile:x"}]}),
        _option("engine", {"value": "gpt-6-sol"}, {"value": "gpt-6-luna"}, category="model"),
    ],
}
_OPENCODE = {
    "configOptions": [_option("model", {"value": "a/b"}), _option("mode", {"value": "build"}, {"value": "plan"})]
}
_GEMINI = _modes("default", "autoEdit", "yolo", "plan")
_OLD = {"models": {"availableModels": [{"modelId": "m1", "name": "M 1"}]}}


@pytest.mark.parametrize(
    ("what", "wanted", "opened", "method", "parameters"),
    [
        ("mode", "read-only", _CODEX, "session/set_mode", {"modeId": "read-only"}),
        (
            *("mode", "permission-profile:x", _CODEX, "session/set_config_option"),
            {"configId": "mode", "value": "permission-profile:x"},
        ),
        ("model", "gpt-6-luna", _CODEX, "session/set_config_option", {"configId": "engine", "value": "gpt-6-luna"}),
        ("mode", "plan", _OPENCODE, "session/set_config_option", {"configId": "mode", "value": "plan"}),
        ("mode", "yolo", _GEMINI, "session/set_mode", {"modeId": "yolo"}),
        ("model", "m1", _OLD, "session/set_model", {"modelId": "m1"}),
    ],
)
def test_what_is_offered_is_chosen_by_the_message_that_the_agent_takes(
    what: str, wanted: str, opened: dict[str, Any], method: str, parameters: dict[str, Any]
) -> None:
    assert choosing(what, wanted, "s1", opened) == (method, {"sessionId": "s1", **parameters})


@pytest.mark.parametrize(
    ("what", "wanted", "opened", "told"),
    [
        ("mode", "yolo", _CODEX, "has no mode 'yolo'; it has agent, read-only"),
        ("model", "c", _OPENCODE, "has no model 'c'; it has a/b"),
        ("model", "gemini-9", _GEMINI, "does not let clients choose its model over ACP"),
        ("mode", "plan", {"modes": None, "configOptions": [None, 1]}, "does not let clients choose its mode over ACP"),
        ("mode", "z", _modes(*(f"m{number}" for number in range(30))), "m19 and 10 more"),
    ],
)
def test_what_is_not_offered_is_refused_with_what_is(what: str, wanted: str, opened: dict[str, Any], told: str) -> None:
    with pytest.raises(NotOfferedError, match=told):
        choosing(what, wanted, "s1", opened)
