"""The official conformance suite against the real server, over HTTP with its token: ``make test-conformance``."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.conftest import SUITE, TOKEN
from tests.patience import scaled

pytestmark = pytest.mark.conformance

#: An era takes ten seconds; the suite gives up on each of its waits by itself.
_RUN_S = scaled(200.0)

#: All that the suite knows, and how many checks it makes in each: none may vanish unseen.
ERAS = {"2025-03-26": 3, "2025-06-18": 56, "2025-11-25": 81, "2026-07-28": 151}

#: Of the extension for tasks all of them, and of each the checks that fail for a reason.
#: Its other extension, for skills (sep-2640-*), is none that this server offers.
TASKS: dict[str, dict[str, str]] = {
    "tasks-lifecycle": {},
    "tasks-capability-negotiation": {},
    "tasks-wire-fields": {},
    "tasks-request-state-removal": {},
    "tasks-request-headers": {},
    "tasks-dispatch-and-envelope": {},
    "tasks-required-task-error": {},
    "tasks-status-notifications": {},
    "tasks-mrtr-composition": {},
    "tasks-mrtr-input": {
        "tasks-mrtr-partial-fulfillment": "it wants two questions at once: a job, and a run, asks one after the other"
    },
}


#: Some of the suite's own waits are short, which a loaded machine may miss: what is wrong is wrong each time.
_ATTEMPTS = 2


@pytest.mark.parametrize("era", ERAS)
def test_an_era_finds_nothing(modules: Path, url: str, era: str, tmp_path: Path) -> None:
    def outcome(attempt: int) -> tuple[set[str], int]:
        found = _run(modules, url, tmp_path / str(attempt), "--suite", "all", "--spec-version", era)
        passed = sum(status == "SUCCESS" for statuses in found.values() for _, status in statuses)
        return _failed(found), passed

    wanted: tuple[set[str], int] = (set(), ERAS[era])
    assert _wrong(outcome, wanted) == []


@pytest.mark.parametrize("scenario", TASKS)
def test_the_extension_for_tasks_finds_nothing_but_what_has_a_reason(
    modules: Path, url: str, scenario: str, tmp_path: Path
) -> None:
    def outcome(attempt: int) -> set[str]:
        return _failed(_run(modules, url, tmp_path / str(attempt), "--scenario", scenario))

    assert _wrong(outcome, set(TASKS[scenario])) == []


def _wrong(outcome: Callable[[int], Any], wanted: object) -> list[Any]:
    """Return the outcomes of all attempts, none of which was as wanted; nothing as soon as one was."""
    seen: list[Any] = []
    for attempt in range(_ATTEMPTS):
        seen.append(outcome(attempt))
        if seen[-1] == wanted:
            return []
    return seen


def _run(modules: Path, url: str, results: Path, *what: str) -> dict[str, list[tuple[str, str]]]:
    """Run a part of the suite; returns each check's id and what became of it, by scenario."""
    node, suite = modules / "node/bin/node", modules / SUITE
    token = Path(__file__).parent / "token.mjs"
    run = subprocess.run(
        [node, "--import", token, suite, "server", "--url", url, "--output-dir", results, *what],
        env={**os.environ, "CONFORMANCE_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        timeout=_RUN_S,
        check=False,
    )
    found = {path.parent.name: _checks(path) for path in results.rglob("checks.json")}
    assert found, run.stdout + run.stderr
    return found


def _checks(path: Path) -> list[tuple[str, str]]:
    return [(check["id"], check["status"]) for check in json.loads(path.read_text())]


def _failed(found: dict[str, list[tuple[str, str]]]) -> set[str]:
    return {check for statuses in found.values() for check, status in statuses if status == "FAILURE"}
