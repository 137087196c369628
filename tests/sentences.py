"""All sentences of the package, for tests of their words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import mcp_background_job
from tests.server.test_tool_list import COMFYUI_TOOLS, JOB_TOOLS, RUN_TOOLS

_PACKAGE = Path(mcp_background_job.__file__).parent

#: Parts of requests over HTTP.
_TO_SERVERS = re.compile(r"\r\n|^multipart/")

#: Matches the name of a tool.
TOOL = re.compile(rf"(?<![-\w])({'|'.join(JOB_TOOLS + COMFYUI_TOOLS + RUN_TOOLS)})\b")


def sentences(left_out: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield every text of the package that may be a sentence, with an X for each inserted value.

    Args:
        left_out: beginnings of the paths, within the package, that are left out: their texts have other readers.
    """
    for path in sorted(_PACKAGE.rglob("*.py")):
        where = path.relative_to(_PACKAGE).as_posix()
        if where.startswith(left_out):
            continue
        tree = ast.parse(path.read_text())
        for number, text in _texts(tree):
            if " " in text and not _TO_SERVERS.search(text):
                yield f"{where}:{number}", text


def _texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    skipped = {id(part) for node in ast.walk(tree) for part in _not_said(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(_shown(part) for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.lineno, node.value


def _not_said(node: ast.AST) -> Iterator[ast.AST]:
    """Yield docstrings, parts of longer texts, descriptions of fields, and regular expressions."""
    if isinstance(node, ast.JoinedStr):
        yield from node.values
    if isinstance(node, ast.Expr):
        yield node.value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Field":
        yield from ast.walk(node)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "compile":
        yield from ast.walk(node)


def _shown(part: ast.expr) -> str:
    return str(part.value) if isinstance(part, ast.Constant) else "X"
