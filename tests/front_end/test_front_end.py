"""Conversions come to what the real front end exports: of the cases of our own, and of the templates of ComfyUI.

``make test-front-end`` installs what it takes; without that these tests are skipped. Templates are read where they are
installed. The kinds of nodes are those of a real ComfyUI: what 0.8.0 answers to ``/object_info``, in
``object_info.json``, as far as the templates need it and the front end counts on it (its loaders of models); or another
answer, in a file that ``COMFYUI_OBJECT_INFO`` names.
"""

from __future__ import annotations

import copy
import importlib
import importlib.util
import json
import os
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.comfyui.wire.node_types import NodeTypes
from mcp_background_job.comfyui.workflows.convert import Chance, converted
from mcp_background_job.errors import WorkflowError
from tests.browser import browsing
from tests.comfyui.workflows.cases import CASES
from tests.comfyui.workflows.kinds import OBJECT_INFO
from tests.front_end.compare import executed
from tests.front_end.editor import Editor, opened
from tests.front_end.loopback import serving

pytestmark = pytest.mark.front_end

CHANCE = Chance(datetime.now(UTC), lambda _: 0)

_RECORDED = Path(__file__).parent / "object_info.json"

#: Templates that are compared; each takes the front end a second.
_TEMPLATES = 20


def _installed(package: str) -> Path:
    module = pytest.importorskip(package, reason=f"{package}: make test-front-end installs it")
    return Path(module.__file__ or "").parent


@pytest.fixture(scope="module")
def static() -> Path:
    return _installed("comfyui_frontend_package") / "static"


@pytest.fixture(scope="module")
def templates() -> dict[str, dict[str, Any]]:
    """All templates that are workflows, by their names."""
    folders = [_installed("comfyui_workflow_templates")]
    folders += [Path(importlib.import_module(one).__file__ or "").parent for one in _bundles()]
    files = sorted(file for folder in folders for file in folder.rglob("templates/*.json"))
    contents = {file.stem: json.loads(file.read_text()) for file in files}
    return {name: content for name, content in contents.items() if "nodes" in content}


def _bundles() -> list[str]:
    """Newer packages have the workflows in another one."""
    name = "comfyui_workflow_templates_json"
    return [name] if importlib.util.find_spec(name) else []


@pytest.fixture(scope="module")
def browser() -> Generator[Any]:
    with browsing("make test-front-end") as one:
        yield one


@pytest.fixture(scope="module")
def editor(static: Path, browser: Any) -> Generator[Editor]:
    with serving(static, OBJECT_INFO) as url, opened(browser, url) as page:
        yield page


@pytest.mark.parametrize("name", CASES)
def test_a_case_is_what_the_front_end_makes_of_it(name: str, editor: Editor) -> None:
    exported = editor.export(copy.deepcopy(CASES[name]))
    ours = converted(CASES[name], NodeTypes(OBJECT_INFO), CHANCE, name)
    assert executed(ours, OBJECT_INFO) == executed(exported, OBJECT_INFO)


def test_templates_are_what_the_front_end_makes_of_them(
    static: Path, templates: dict[str, dict[str, Any]], browser: Any
) -> None:
    kinds = json.loads(Path(os.environ.get("COMFYUI_OBJECT_INFO", _RECORDED)).read_text())
    prompts = _converted(templates, kinds)
    assert len(prompts) == _TEMPLATES
    with serving(static, kinds) as url, opened(browser, url) as page:
        exported = {name: page.export(templates[name]) for name in prompts}
    different = [name for name in prompts if executed(prompts[name], kinds) != executed(exported[name], kinds)]
    assert different == []


def _converted(templates: dict[str, dict[str, Any]], kinds: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return prompts of templates that these kinds of nodes are enough for, those with subgraphs first."""
    prompts: dict[str, dict[str, Any]] = {}
    for name in sorted(templates, key=lambda one: ("definitions" not in templates[one], one)):
        if len(prompts) == _TEMPLATES:
            break
        try:
            prompts[name] = converted(templates[name], NodeTypes(kinds), CHANCE, name)
        except WorkflowError:  # made for a server with other nodes, or a browser
            continue
    return prompts
