"""Nobody at a terminal is told of tools and arguments: every sentence that may come there has commands and options."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import mcp_background_job
from mcp_background_job.cli.main import build_app
from mcp_background_job.cli.wording import COMMANDS, typed
from mcp_background_job.executors.slurm.options import KEYS
from tests.server.test_tool_list import COMFYUI_TOOLS, JOB_TOOLS, RUN_TOOLS

_PACKAGE = Path(mcp_background_job.__file__).parent

#: What is said to clients of the server alone, and what is not in words.
_NOT_AT_A_TERMINAL = (
    "server",
    "runner",
    "web",
    "actions/synonyms.py",
    "cli/wording.py",
    "agents/host",
    "executors/slurm/submitting.py",  # the script for sbatch
)

#: Arguments that no option gives, so that nobody at a terminal gets them wrong.
_NO_OPTION = ("cursor", "offset", "seq", "max_bytes", "wait_ms")

#: What ``--on`` takes, in these very words.
_OF_PLACES = tuple(KEYS)

#: Parts of requests over HTTP.
_TO_SERVERS = re.compile(r"\r\n|^multipart/")

_TOOL = re.compile(rf"(?<![-\w])({'|'.join(JOB_TOOLS + COMFYUI_TOOLS + RUN_TOOLS)})\b")
_ARGUMENT = re.compile(r"(?<![\w$.?&'\"`/{-])([a-z]+(?:_[a-z]+)*)=")


def _sentences() -> Iterator[tuple[str, str]]:
    """Yield all text of the package that may be a sentence, with an X for what is put into it."""
    for path in sorted(_PACKAGE.rglob("*.py")):
        where = path.relative_to(_PACKAGE).as_posix()
        if where.startswith(_NOT_AT_A_TERMINAL):
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
    """Yield docstrings, parts of longer texts, what describes an argument to clients, and regular expressions."""
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


def test_no_sentence_that_comes_to_a_terminal_names_a_tool_or_an_argument() -> None:
    wrong = {}
    count = 0
    for where, text in _sentences():
        count += 1
        said = typed(text)
        named = [found[1] for found in (*_TOOL.finditer(said), *_ARGUMENT.finditer(said))]
        if left := [name for name in named if name not in (*_NO_OPTION, *_OF_PLACES)]:
            wrong[where] = (left, said[:200])
    assert count > 500
    assert wrong == {}


def test_every_tool_has_its_command() -> None:
    assert sorted(COMMANDS) == sorted(JOB_TOOLS + COMFYUI_TOOLS + RUN_TOOLS)
    app = build_app()
    for command in COMMANDS.values():
        names = [word for word in command.split() if not word.startswith("-")]
        assert len(app.parse_commands(names)[0]) == len(names), command


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ("kill_job with signal_only=false stops it", "mcp-background-job kill with --no-signal-only stops it"),
        ('start it with stdin="pty"', "start it with --stdin pty"),
        ("grace_s=-2: too short", "--grace -2: too short"),
        ("get_run says when all is read", "mcp-background-job runs show says when all is read"),
        ('until="a b" is not found', '--until "a b" is not found'),
        ('leftovers="kill" ends it', "--leftovers kill ends it"),
        # What somebody has given stays as it is.
        ("there is no job 'kill_job'", "there is no job 'kill_job'"),
        ("job jx `list_jobs` ended", "job jx `list_jobs` ended"),
        ("'until=3' is no name", "'until=3' is no name"),
        ("/tmp/kill_job is not a directory", "/tmp/kill_job is not a directory"),
    ],
)
def test_a_sentence_for_agents_is_one_for_people(told: str, wanted: str) -> None:
    assert typed(told) == wanted
    assert typed(wanted) == wanted
