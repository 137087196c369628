"""Each page that lists the agents lists all of them; a sentence says which page lacks which."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from mcp_background_job.agents.adapters.table import ADAPTERS, PROGRAMS
from mcp_background_job.core.run import Backend

_ROOT = Path(__file__).parent.parent.parent

#: Of each page, the heading of the section that lists agents, and those that it lists.
_LISTS = {
    ("README.md", "Agent runs"): ADAPTERS,
    ("docs/guides/agent-runs.md", "Agent runs"): ADAPTERS,
    ("docs/reference/runs.md", "Backends"): ADAPTERS,
    ("docs/reference/agents.md", "How they are started"): [*PROGRAMS, "command"],
    ("docs/reference/agents.md", "Which events their output becomes"): PROGRAMS,
    ("docs/reference/tools.md", "Which toolsets are offered"): PROGRAMS.values(),
    ("docs/reference/arguments.md", "spawn_run"): ADAPTERS,
}


def _section(page: str, heading: str) -> str:
    """Return the text below a heading, up to the next one."""
    found = re.search(
        rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", (_ROOT / page).read_text(), re.MULTILINE | re.DOTALL
    )
    assert found, f"{page} has no section {heading!r}"
    return found[1]


def _listed(section: str) -> set[str]:
    """Return the names in the rows and heads of tables; without a table, those in the text."""
    rows = re.findall(r"^\|.*\|$", section, re.MULTILINE)
    return set(re.findall(r"`([^`]+)`", "\n".join(rows) or section))


@pytest.mark.parametrize(("page", "heading"), _LISTS)
def test_a_page_that_lists_agents_lists_them_all(page: str, heading: str) -> None:
    missing = [name for name in _LISTS[page, heading] if name not in _listed(_section(page, heading))]
    if missing:
        written = ": `make docs-tables` writes it" if page.endswith("arguments.md") else ""
        pytest.fail(f"{page} does not name {', '.join(missing)} in {heading!r}{written}", pytrace=False)


def test_the_tables_of_agents_name_the_same_ones() -> None:
    assert set(get_args(Backend)) == set(ADAPTERS), "Backend in core/run.py and ADAPTERS in adapters/table.py differ"
    assert set(PROGRAMS) < set(ADAPTERS), "PROGRAMS in adapters/table.py has an agent that ADAPTERS does not have"
