"""The runner as one file: the same for everybody, and made of nothing that Python 3.9 does not have."""

from __future__ import annotations

import ast
import base64
import os
import subprocess
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mcp_background_job.executors.nodes import package
from tests.nodes.support import RELEASES, address_of, end_of, finish, pythons, record, relayed, start, wait_for_output
from tests.patience import PATIENCE_S

#: What came after 3.9 and is no syntax: names that are imported, and arguments.
_LATER_NAMES = {"StrEnum", "Self", "ParamSpec", "TypeAlias", "TypeGuard", "Never", "assert_never", "pairwise", "UTC"}
_LATER_ARGUMENTS = {("dataclass", "kw_only"), ("dataclass", "slots"), ("zip", "strict"), ("bisect_left", "key")}

_COMPILE = """
import sys, zipfile
file = zipfile.ZipFile(sys.argv[1])
for name in file.namelist():
    name.endswith(".py") and compile(file.read(name), name, "exec")
"""


@pytest.fixture
def modules(tmp_path: Path) -> dict[str, ast.Module]:
    with zipfile.ZipFile(package.runner_package(str(tmp_path))) as file:
        sources = [name for name in file.namelist() if name.endswith(".py")]
        return {name: ast.parse(file.read(name), feature_version=(3, 9)) for name in sources}


def test_the_same_modules_make_the_same_file_once(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for directory in (first, second):
        directory.mkdir()
    path = package.runner_package(str(first))
    written_at = os.stat(path).st_mtime_ns
    assert package.runner_package(str(first)) == path
    assert os.stat(path).st_mtime_ns == written_at
    package.packed.cache_clear()
    again = package.runner_package(str(second))
    assert os.path.basename(again) == os.path.basename(path)
    assert Path(again).read_bytes() == Path(path).read_bytes()
    assert os.listdir(first) == [os.path.basename(path)], "nothing but the file itself is left"


def test_who_wants_it_at_the_same_time_gets_the_same(tmp_path: Path) -> None:
    package.runner_package(str(tmp_path))
    for round_ in range(4):
        directory = tmp_path / str(round_)
        directory.mkdir()
        with ThreadPoolExecutor(8) as threads:
            paths = set(threads.map(package.runner_package, [str(directory)] * 8))
        assert os.listdir(directory) == [os.path.basename(path) for path in paths]


def test_it_holds_what_a_node_needs_and_nothing_of_the_server(modules: dict[str, ast.Module]) -> None:
    rooms = {name.split("/")[1] for name in modules if name.count("/") > 1}
    assert rooms == {"runner", "jobdir", "kernel", "core"}
    assert "mcp_background_job/runner/spawner.py" not in modules


def test_none_of_it_uses_what_came_after_python_3_9(modules: dict[str, ast.Module]) -> None:
    assert [f"{name}: {what}" for name, tree in modules.items() for what in _later(tree)] == []


def _later(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from {alias.name for alias in node.names} & _LATER_NAMES
        elif isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            yield from (f"{called}({one.arg}=)" for one in node.keywords if (called, one.arg) in _LATER_ARGUMENTS)
            if called == "isinstance" and isinstance(node.args[1], ast.BinOp):
                yield "a union of types in isinstance"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from enum import StrEnum", "StrEnum"),
        ("zip(a, b, strict=True)", "zip(strict=)"),
        ("@dataclasses.dataclass(kw_only=True)\nclass A: ...", "dataclass(kw_only=)"),
        ("isinstance(a, int | str)", "a union of types in isinstance"),
    ],
)
def test_what_came_after_it_would_be_found(source: str, found: str) -> None:
    assert list(_later(ast.parse(source))) == [found]


@pytest.mark.real_process
@pytest.mark.parametrize("release", [f"3.{minor}" for minor in RELEASES])
def test_each_python_of_this_machine_runs_it(release: str, tmp_path: Path) -> None:
    python = pythons().get(release)
    if python is None:
        pytest.skip(f"this machine has no Python {release}")
    packed = package.runner_package(str(tmp_path))
    # Every module, also what is imported only when it is needed.
    subprocess.run([python, "-I", "-S", "-c", _COMPILE, packed], check=True, timeout=PATIENCE_S)
    job = record(
        tmp_path, "j39x", "printf 'raw \\377 %s %s' $SLURM_JOB_ID $OWN; read line; (exit 3) & exit 9", stdin="pipe"
    )
    runner = start(tmp_path, job, "tcp", python=python)
    address_of(job)
    with relayed(python, packed, job) as relay:
        assert relay.ask(1, op="port", port=1) == {"listening": False}
        assert relay.ask(2, op="usage")["processes"] >= 1
        wait_for_output(job, "mine")
        assert relay.ask(1, op="read", offset=4, limit=1) == {"offset": 4, "data": "/w==", "size": 14}
        assert relay.ask(2, op="input", data=base64.b64encode(b"on\n").decode(), eof=False) == {"ok": True, "unread": 0}
        assert relay.hear(1)["ended"]["exit_code"] == 9
        assert relay.hear(1) is None
    assert finish(runner) == (9, "")
    assert Path(job.log).read_bytes() == b"raw \xff 812 mine"
    assert (end_of(job).outcome, end_of(job).exit_code) == ("failed", 9)
