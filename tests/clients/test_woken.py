"""Real clients, against a model on loopback: the end of a job wakes the model that started it, and no other.

``make test-clients`` installs them and runs this; otherwise these tests are skipped. The clients have the configuration
that ``install`` writes, or the plugin.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients.clients import WHERE, OpenCode, claude, codex, gemini, opencode
from tests.clients.stage import CLIENT_S, ROOT, Stage
from tests.patience import wait_until

pytestmark = [
    pytest.mark.real_process,
    pytest.mark.real_clients,
    pytest.mark.skipif(WHERE not in os.environ, reason="make test-clients runs real clients: a minute each"),
]

#: So long the job takes, during which no request may be made.
JOB_S = 60


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path, JOB_S)
    yield stage
    stage.close()


@pytest.mark.parametrize(
    ("client", "prepare"),
    [
        pytest.param("claude-code", claude, id="claude-code"),
        pytest.param("codex", codex, id="codex"),
        pytest.param("gemini", gemini, id="gemini"),
    ],
)
def test_a_stop_hook_that_was_installed_holds_the_turn_until_the_job_has_ended(
    stage: Stage, client: str, prepare: Callable[[Stage], list[str]]
) -> None:
    argv = prepare(stage)
    if client == "claude-code":
        argv += ["-p"]
    stage.install(client)
    mine = stage.run([*argv, "start-the-job"], "mine")
    wait_until(lambda: len(stage.turns()) == 2, "the job is started and the turn is over", CLIENT_S)
    other = stage.run([*argv, "say hello"], "other")
    assert other.wait(CLIENT_S) == 0
    assert not stage.ended.exists()
    assert mine.wait(CLIENT_S) == 0
    woken_once(stage, client)


def test_claude_code_at_a_terminal_is_woken_by_the_result_of_a_task(stage: Stage) -> None:
    argv = claude(stage)
    stage.install("claude-code", "--no-hooks")
    sit_in_two_projects(stage, argv)
    woken_once(stage, "claude-code, task")


def test_claude_code_at_a_terminal_is_woken_by_the_monitor_of_the_plugin(stage: Stage) -> None:
    argv = claude(stage)
    # Without the other ways by which it would be woken, of which the plugin has one too.
    stage.environment |= {"CLAUDE_CODE_DISABLE_MCP_TASKS": "1"}
    plugin = shutil.copytree(ROOT / "plugin", stage.directory / "plugin")
    shutil.rmtree(plugin / "hooks")
    sit_in_two_projects(stage, [*argv, "--plugin-dir", str(plugin)])
    woken_once(stage, "claude-code, monitor")


def test_opencode_is_woken_by_the_plugin_that_was_installed(stage: Stage) -> None:
    argv = opencode(stage)
    stage.install("opencode")
    mine, other = (OpenCode(stage, argv, project) for project in ("mine", "other"))
    mine.say("start-the-job")
    wait_until(lambda: len(stage.turns()) == 2, "the job is started and the turn is over", CLIENT_S)
    other.say("say hello")
    wait_until(lambda: len(stage.turns()) == 3, "the other has answered", CLIENT_S)
    assert not stage.ended.exists()
    wait_until(lambda: len(stage.turns()) >= 4, "somebody is woken", CLIENT_S)
    woken_once(stage, "opencode")


def sit_in_two_projects(stage: Stage, argv: list[str]) -> None:
    stage.sit_at([*argv, "start-the-job"], "mine")
    wait_until(lambda: len(stage.turns()) == 2, "the job is started and the turn is over", CLIENT_S)
    stage.sit_at([*argv, "say hello"], "other")
    wait_until(lambda: len(stage.turns()) == 3, "the other has answered", CLIENT_S)
    assert not stage.ended.exists()
    wait_until(lambda: len(stage.turns()) >= 4, "somebody is woken", CLIENT_S)


def woken_once(stage: Stage, who: str) -> None:
    """Check who was asked when: nobody while the job ran, and then only who had started it."""
    started, turn, hello, woken = stage.turns()
    assert started.starts
    assert "say hello" in hello.said
    assert "start-the-job" in woken.said
    assert "exit 3" in woken.said
    ended_at = stage.ended.stat().st_mtime
    assert turn.at < ended_at <= woken.at
    meanwhile = [request for request in stage.requests() if hello.at < request.at < ended_at]
    assert not meanwhile
    print(f"{who}: woken {woken.at - ended_at:.2f} s after the end")  # noqa: T201  the figure is why this is run
