"""On the package index, ``mcp-background-job`` is another project's: no line of ours may fetch that."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.fetching import fetched

ROOT = Path(__file__).parent.parent.parent

#: As an index compares names, with extras and versions; a path, a wheel or a repository is something else.
_NAME = re.compile(r"mcp[-_.]+background[-_.]+job(\[[^\]]*\]?)?([=<>~!@^][^/]*)?\]?", re.IGNORECASE)

#: Where people look for how to install this, and what does it.
_PLACES = (
    "*.md",
    "*.txt",
    "*.toml",
    "*.yml",
    "Makefile",
    ".ci/*",
    ".claude-plugin/**/*",
    ".github/**/*",
    "docs/**/*",
    "mcp_background_job/**/*",
    "plugin/**/*",
    "release/**/*",
)


def _fetches_another_project(text: str) -> bool:
    return any(_NAME.fullmatch(name) for name in fetched(text))


def _texts() -> dict[str, str]:
    files = {path for place in _PLACES for path in ROOT.glob(place) if path.is_file() and path.suffix != ".pyc"}
    return {str(path.relative_to(ROOT)): path.read_text(errors="replace") for path in files}


def test_no_file_of_ours_fetches_the_other_project() -> None:
    texts = _texts()
    assert {"README.md", "plugin/manifest.json", "mcp_background_job/install/clients.py", "Makefile"} <= texts.keys()
    assert [name for name, text in texts.items() if _fetches_another_project(text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "uvx mcp-background-job",
        "Run `uvx mcp_background_job@latest install codex`.",
        "$ python -m pip install -U 'mcp-background-job[a2a]'",
        "pip install mcp-background-job==1.0.0 && mcp-background-job doctor",
        "pip install requests mcp.background.job>=0.1",
        "uv tool install --python 3.12 mcp-background-job",
        "uvx --python=3.12 --from mcp-background-job mcp-background-job",
        "uvx --with MCP-Background-Job fastmcp run",
        "pipx run --spec mcp-background-job~=0.1 mcp-background-job",
        "uv pip install \\\n  --upgrade mcp-background-job",
        '{"command": "uvx", "args": ["mcp-background-job"]}',
        '{\n  "command": "uvx",\n  "args": [\n    "--quiet",\n    "mcp-background-job[gpu]"\n  ]\n}',
        'argv = ["pipx", "run", "mcp-background-job"]',
        "npx -y mcp-background-job",
        "uv add mcp-background-job",
    ],
)
def test_what_fetches_the_other_project_is_seen(text: str) -> None:
    assert _fetches_another_project(text)


@pytest.mark.parametrize(
    "text",
    [
        "pipx install .",
        "uvx --from . mcp-background-job install codex",
        "uvx --from git+https://HOST/mcp-background-job mcp-background-job",
        "pip install ./mcp_background_job-1.0.0-py3-none-any.whl",
        "pip install 'mcp-background-job@git+https://HOST/x'",
        "uv tool install dist/mcp_background_job-1.0.0-py3-none-any.whl",
        "pipx uninstall mcp-background-job",
        "uv run --directory . mcp-background-job",
        "If uvx ran it, it is the line that uvx was given: on PyPI, `mcp-background-job` is another project.",
        'pip install -e ".[a2a]" && mcp-background-job doctor',
        '{"command": "uv", "args": ["run", "--directory", "${__dirname}", "mcp-background-job"]}',
    ],
)
def test_what_fetches_nothing_or_something_else_is_left_alone(text: str) -> None:
    assert not _fetches_another_project(text)
