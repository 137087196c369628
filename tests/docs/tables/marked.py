"""What stands in a page between two marks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_MARKED = re.compile(r"(<!-- table: (\S+), written by make docs-tables -->\n).*?(<!-- end of table -->\n)", re.DOTALL)


def replaced(page: str, tables: Mapping[str, str]) -> str:
    """Return a page with other tables between its marks.

    Raises:
        ValueError: the page does not have the marks of exactly these tables, each once.
    """
    if sorted(found[2] for found in _MARKED.finditer(page)) != sorted(tables):
        raise ValueError(f"the page must have the marks of these tables, each once: {', '.join(tables)}")
    return _MARKED.sub(lambda found: f"{found[1]}\n{tables[found[2]]}\n{found[3]}", page)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
