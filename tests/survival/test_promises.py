"""Every promise has a test, and every test's promise is one."""

from __future__ import annotations

import ast
import functools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.promises import PROMISES

_TESTS = Path(__file__).parent.parent


@functools.cache
def _marks() -> list[tuple[str, str]]:
    """Return the id and the place of every ``pytest.mark.requirement("id")`` that stands in the tests."""
    return [mark for path in sorted(_TESTS.rglob("*.py")) for mark in _marks_in(path)]


def _marks_in(path: Path) -> Iterator[tuple[str, str]]:
    text = path.read_text()
    if "mark.requirement" in text:  # to parse all would take seconds
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and _is_requirement(node.func):
                place = f"{path.relative_to(_TESTS)}:{node.lineno}"
                argument = node.args[0]
                assert isinstance(argument, ast.Constant), f"{place}: the id must be a plain string"
                yield str(argument.value), place


def _is_requirement(called: ast.expr) -> bool:
    return (
        isinstance(called, ast.Attribute)
        and called.attr == "requirement"
        and ast.unparse(called.value) == "pytest.mark"
    )


def test_every_promise_is_held_by_a_test() -> None:
    marked = {name for name, _ in _marks()}
    assert [promise.id for promise in PROMISES if promise.id not in marked] == []


def test_every_mark_names_a_promise() -> None:
    known = {promise.id for promise in PROMISES}
    assert [f"{place}: {name}" for name, place in _marks() if name not in known] == []


def test_promises_are_sentences_with_ids_of_their_own() -> None:
    assert [name for name, count in Counter(promise.id for promise in PROMISES).items() if count > 1] == []
    assert [promise.id for promise in PROMISES if not promise.behaviour.endswith(".") or not promise.source] == []
