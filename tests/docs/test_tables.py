from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from fastmcp import Client
from jsonschema import Draft202012Validator
from mcp_types import Tool

from mcp_background_job.app import build
from mcp_background_job.config import load_settings
from mcp_background_job.server.build import build_server
from tests.docs.tables.examples import EXAMPLES
from tests.docs.tables.forms import form_of
from tests.docs.tables.marked import replaced, table
from tests.docs.tables.pages import SETTING, pages

_PAGE = "# P\n\n<!-- table: a, written by make docs-tables -->\n\nold\n<!-- end of table -->\n\nprose\n"


@pytest.fixture
async def tools(state_dir: str, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[list[Tool]]:
    for name, value in SETTING.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(state_dir=state_dir)
    manager = build(settings)
    async with Client(build_server(manager, settings)) as client:
        yield await client.list_tools()
    manager.close()


async def test_the_tables_of_the_documents_are_what_the_code_says(tools: list[Tool]) -> None:
    for page, tables in pages(tools).items():
        text = page.read_text()
        assert replaced(text, tables) == text, f"{page.name} is stale: make docs-tables writes it anew"


async def test_each_tool_has_one_example_that_it_takes(tools: list[Tool]) -> None:
    assert [*EXAMPLES] == [tool.name for tool in tools]
    validator: Any = Draft202012Validator  # what it says of its own types is not whole
    for tool in tools:
        schema = {**tool.input_schema, "additionalProperties": False}
        assert validator(schema).is_valid(EXAMPLES[tool.name]), tool.name


def test_a_table_is_written_between_its_marks_and_nowhere_else() -> None:
    assert replaced(_PAGE, {"a": "new\n"}) == _PAGE.replace("old\n", "new\n\n")
    assert replaced(replaced(_PAGE, {"a": "new"}), {"a": "old"}) == _PAGE


@pytest.mark.parametrize("tables", [{}, {"b": ""}, {"a": "", "b": ""}])
def test_a_page_without_the_marks_of_a_table_is_not_written(tables: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="marks"):
        replaced(_PAGE, tables)


def test_a_cell_holds_what_would_end_it() -> None:
    assert table(["a", "b"], [("x|y", "z")]) == "| a | b |\n| --- | --- |\n| x\\|y | z |\n"


@pytest.mark.parametrize(
    ("schema", "form"),
    [
        ({"type": "string"}, "text"),
        ({"enum": ["a", "b"], "type": "string"}, "`a`, `b`"),
        ({"type": "array", "items": {"type": "string"}}, "list of texts"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "object of texts"),
        ({"type": "object", "additionalProperties": True}, "object"),
        ({"anyOf": [{"type": "integer"}, {"type": "boolean"}]}, "whole number or `true` or `false`"),
        ({"type": "array", "items": {}}, "list"),
        (
            {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "number"}}},
            "object of lists of numbers",
        ),
    ],
)
def test_a_form_is_told_in_words(schema: dict[str, object], form: str) -> None:
    assert form_of(schema) == form
