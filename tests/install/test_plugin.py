"""The folder for hosts of plugins is what its table says, and names nothing that is not there."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from mcp_background_job.cli.parser import build_app
from mcp_background_job.install.plugin import table, texts

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "plugin"
SKILLS = sorted(PLUGIN.glob("skills/*/SKILL.md"))


@pytest.mark.parametrize("path", texts())
def test_the_committed_file_is_the_one_that_the_table_makes(path: str) -> None:
    assert (ROOT / path).read_text() == texts()[path], "run make plugin"


def test_there_are_no_other_files() -> None:
    made = {ROOT / path for path in texts()} | {*SKILLS}
    assert {path for path in PLUGIN.rglob("*") if path.is_file()} == {path for path in made if PLUGIN in path.parents}


def test_what_a_manifest_points_to_is_there() -> None:
    for path, content in table().items():
        for said in _strings(content):
            if said.startswith("./") and path.startswith("plugin/."):
                assert (PLUGIN / said).exists(), f"{path} names {said}"


def test_every_command_line_is_one_of_ours() -> None:
    app = build_app()
    lines = [
        said for content in table().values() for said in _strings(content) if said.startswith("mcp-background-job ")
    ]
    assert len(lines) == 4
    for line in lines:
        command, _, _ = app.parse_commands(shlex.split(line)[1:])
        assert command in (["hook", "stop"], ("hook", "stop"), ["endings"], ("endings",)), line


def test_nothing_is_fetched_by_a_name_that_is_not_ours() -> None:
    for path, text in texts().items():
        assert not re.search(r"\b(uvx|pipx|pip install|npx|pypi)\b", text), path


@pytest.mark.parametrize("path", SKILLS, ids=lambda path: path.parent.name)
def test_a_skill_says_what_it_is_and_names_tools_that_there_are(path: Path) -> None:
    head, body = re.fullmatch(r"---\n(.*?)\n---\n(.*)", path.read_text(), re.DOTALL).groups()  # type: ignore[union-attr]
    known = dict(line.split(": ", 1) for line in head.splitlines())
    assert known["name"] == path.parent.name
    assert 0 < len(known["description"]) <= 1024
    assert len(body.splitlines()) < 60
    reference = (ROOT / "docs" / "reference" / "tools.md").read_text()
    for tool in re.findall(r"`(\w+_\w+)\(", body):
        assert f"| `{tool}` |" in reference


def test_the_entry_of_the_registry_points_at_a_file_of_a_release() -> None:
    entry = table()["plugin/server.json"]
    [package] = entry["packages"]
    assert package["registryType"] == "mcpb"
    assert package["identifier"].endswith(f"/v{entry['version']}/mcp-background-job-{entry['version']}.mcpb")
    assert len(entry["description"]) <= 100


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in cast("dict[str, Any]", value).values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from _strings(item)
    elif isinstance(value, str):
        yield value


def test_json_is_json() -> None:
    for path, text in texts().items():
        if path.endswith(".json"):
            assert json.loads(text) == table()[path]
