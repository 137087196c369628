"""Shows the figures: as a table in the terminal, and as ``docs/explanation/benchmarks.md``."""

from __future__ import annotations

import datetime as dt
import os
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from bench.figures import Figure

_DOCUMENT = Path(__file__).parent.parent / "docs" / "explanation" / "benchmarks.md"
_COLUMNS = ("What", "Floor", "Ours", "Ratio or figure", "Bar", "Kept")
_PACKAGES = ("mcp-background-job", "fastmcp", "mcp", "pydantic", "psutil")

_HEAD = """\
# Benchmarks

Written by `python -m bench --write`; do not edit.

Every ratio is of two things that were measured in the same run, in turns, on the same machine: absolute times say more
about the machine than about the program. Times are medians (p50) unless the line says otherwise, taken by a plain
JSON-RPC client over stdio, from the moment that a request is written to the moment that its answer is read.

{against}
The floor of output is the same command with its output redirected to a file by the shell. The floors of a cold start
are FastMCP servers without tools, and with as many that do nothing. Other lines name what they are measured against.
"""

_FLOOR = """\
The floor of starts and status calls is `bench/floor_server.py`: the least that a server of background jobs can do. It
keeps its jobs in memory, in pipes with a thread each; they and their output are gone when it ends. No peer was given
for this run (`--peer CMD`).
"""

_PEER = """\
Starts and status calls are measured against a peer, which their lines name.
"""


def machine() -> dict[str, str]:
    """Return facts about the machine that the figures depend on, without its name or a path on it."""
    return {
        "Date": dt.datetime.now(dt.UTC).date().isoformat(),
        "Processor cores": str(os.cpu_count()),
        "Memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB",
        "Kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "Packages": ", ".join(f"{name} {metadata.version(name)}" for name in _PACKAGES),
    }


def as_text(figures: Sequence[Figure]) -> str:
    """Return the table for a terminal."""
    rows = [_COLUMNS, *map(_cells, figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def write_document(figures: Sequence[Figure], *, peer: bool) -> Path:
    """Write the document; returns its path."""
    lines = [_HEAD.format(against=_PEER if peer else _FLOOR)]
    lines += [_row(_COLUMNS), _row(["---"] * len(_COLUMNS)), *(_row(_cells(figure)) for figure in figures)]
    missed = [figure.what for figure in figures if figure.kept is False]
    bars = sum(figure.kept is not None for figure in figures)
    lines += ["", f"{bars - len(missed)} of {bars} bars are kept." if missed else f"All {bars} bars are kept.", ""]
    lines += ["## The machine", "", *(f"* {name}: {value}" for name, value in machine().items()), ""]
    _DOCUMENT.parent.mkdir(exist_ok=True)
    _DOCUMENT.write_text("\n".join(lines))
    return _DOCUMENT


def _cells(figure: Figure) -> tuple[str, ...]:
    verdict = {None: "", True: "kept", False: "missed"}[figure.kept]
    return (figure.what, figure.floor, figure.ours, figure.figure, figure.bar, verdict)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
