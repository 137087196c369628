"""Which tables stand in which page, and what they are made of."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from mcp_types import Tool

from mcp_background_job.cli.output import UnwritableError
from mcp_background_job.cli.setup.codes import TABLES
from mcp_background_job.config import ComfyUISettings, Settings, variable_of
from mcp_background_job.errors import BackgroundJobError
from tests.docs.tables.examples import EXAMPLES
from tests.docs.tables.forms import form_of
from tests.docs.tables.marked import table
from tests.docs.tables.meanings import MEANINGS
from tests.docs.tables.statuses import statuses

_REFERENCE = Path(__file__).parents[3] / "docs" / "reference"

#: Of the server whose tools are described: all of them, on a machine without a cluster, as most are.
SETTING = {"MCP_BG_TOOLSETS": "all", "MCP_BG_PLACES": "local"}


def pages(tools: Iterable[Tool]) -> dict[Path, dict[str, str]]:
    """Return the tables of each page, by their names there."""
    return {
        _REFERENCE / "settings.md": {"settings": _settings()},
        _REFERENCE / "statuses.md": {"statuses": statuses(), "error-codes": _error_codes()},
        _REFERENCE / "command-line.md": {
            f"exit-codes-{feature}": table(["code", "meaning"], [*codes.items()]) for feature, codes in TABLES.items()
        },
        _REFERENCE / "arguments.md": {"tools": "\n".join(_tool(tool) for tool in tools)},
    }


def _settings() -> str:
    rows = [
        (f"`{variable_of(setting.name, kind)}`", _default(setting.metadata), setting.metadata["description"])
        for kind in (Settings, ComfyUISettings)
        for setting in dataclasses.fields(kind)
    ]
    return table(["variable", "default", "meaning"], rows)


def _default(about: Mapping[str, str | None]) -> str:
    return f"`{about['default']}`" if about["default"] else "none"


def _error_codes() -> str:
    codes = _codes(BackgroundJobError) | _codes(UnwritableError)  # this one stands apart, and so is imported
    return table(["code", "meaning"], [(f"`{code}`", codes[code]) for code in sorted(codes)])


def _codes(error: type[BackgroundJobError]) -> dict[str, str]:
    """Return the codes of an error and of those below it; one that has its parent's code is not told apart."""
    first = (error.__doc__ or "").partition("\n")[0].replace("``", "`").rstrip(".")
    begins = first if first.startswith("ComfyUI") else first[0].lower() + first[1:]
    below = {code: about for kind in error.__subclasses__() for code, about in _codes(kind).items()}
    return below | {error.code: begins}


def _tool(tool: Tool) -> str:
    required = tool.input_schema.get("required", ())
    rows = [
        (
            f"`{name}`",
            form_of(argument),
            "required" if name in required else f"`{json.dumps(argument['default'])}`" if "default" in argument else "",
            argument.get("description") or MEANINGS.get(f"{tool.name}.{name}") or MEANINGS.get(name, ""),
        )
        for name, argument in tool.input_schema["properties"].items()
    ]
    parts = [f"## {tool.name}\n"]
    if rows:
        parts.append(table(["argument", "form", "default", "meaning"], rows))
    parts.append(f"```json\n{json.dumps(EXAMPLES[tool.name], ensure_ascii=False)}\n```\n")
    if tool.output_schema and (fields := tool.output_schema["properties"]):
        parts.append(f"Fields that an answer has or may have: {', '.join(f'`{name}`' for name in fields)}.\n")
    return "\n".join(parts)
