"""What cannot be done is refused in a sentence; nothing is started and nothing is written."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.config import load_settings
from mcp_background_job.errors import CommandRefusedError, ConfigError, InvalidRequestError
from mcp_background_job.jobdir import lock
from mcp_background_job.jobs.manager import JobManager
from tests.patience import WAIT_S, wait_until
from tests.survival.support import Server, another_manager, start, tree_of

pytestmark = pytest.mark.real_process


@pytest.fixture(scope="module")
def server_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def server(server_directory: Path) -> Generator[Server]:
    """One server for all refusals: none of them changes anything."""
    (server_directory / "a-file").touch()
    environment = {
        "MCP_BG_STATE_DIR": str(server_directory / "state"),
        "MCP_BG_WORKING_DIR": str(server_directory),
        "MCP_BG_ALLOWED_COMMANDS": "echo,sleep,cat",
    }
    with Server(**environment) as server:
        job = server.call("execute_command", command="sleep 0", name="exact-name", wait_s=WAIT_S)
        assert job["status"] == "completed"
        runner_lock = str(server_directory / "state" / "jobs" / job["job_id"] / "runner.lock")
        wait_until(lambda: lock.holder_of(runner_lock) is None, "the end of the runner, which tidies up")
        # A server writes it a moment after it has begun, whatever it is asked.
        wait_until((server_directory / "state" / "clock.json").exists, "the server's first note of the time")
        yield server


_REFUSALS: dict[str, tuple[str, dict[str, Any], str]] = {
    "missing cwd": ("execute_command", {"command": "echo", "cwd": "/no/where"}, "cwd /no/where does not exist"),
    "cwd is a file": ("execute_command", {"command": "echo", "cwd": "a-file"}, "a-file is not a directory"),
    "empty command": ("execute_command", {"command": ""}, "command is empty"),
    "blank command": ("execute_command", {"command": " \n\t"}, "command is empty"),
    "NUL in command": ("execute_command", {"command": "echo \0"}, "NUL"),
    "bad until": ("execute_command", {"command": "echo", "until": "(unclosed"}, "until='(unclosed' is not a regular"),
    "bad fail_on": ("execute_command", {"command": "echo", "fail_on": "[z-a]"}, "fail_on='[z-a]' is not a regular"),
    "negative wait": ("execute_command", {"command": "echo", "wait_s": -1}, "wait_s=-1"),
    "wait is no number": ("execute_command", {"command": "echo", "wait_s": "NaN"}, "wait_s"),
    "negative limit": ("execute_command", {"command": "echo", "timeout_s": -5}, "timeout_s=-5"),
    "zero limit": ("execute_command", {"command": "echo", "timeout_s": 0}, "timeout_s=0"),
    "env not a string": ("execute_command", {"command": "echo", "env": {"A": ["x"]}}, "env"),
    "env with =": ("execute_command", {"command": "echo", "env": {"A=B": "x"}}, "env: 'A=B'"),
    "env with NUL": ("execute_command", {"command": "echo", "env": {"A": "x\0"}}, "env: 'A'"),
    "refused": ("execute_command", {"command": "rm -rf x"}, "MCP_BG_ALLOWED_COMMANDS"),
    "bad stdin": ("execute_command", {"command": "echo", "stdin": "open"}, "stdin"),
    "bad name": ("execute_command", {"command": "echo", "name": "../x"}, "name"),
    "bad after": ("execute_command", {"command": "echo", "after": ["exact-nam"]}, "nearest: exact-name"),
    "unknown status": ("get_job_status", {"job_id": "exact-nam"}, "there is no job 'exact-nam'; nearest: exact-name"),
    "unknown wait": ("wait_for_job", {"job_id": "exact-nam"}, "nearest: exact-name"),
    "unknown of several": ("wait_for_job", {"job_id": ["exact-name", "jnope"]}, "there is no job 'jnope'"),
    "none of several": ("wait_for_job", {"job_id": []}, "empty list"),
    "bad wait regex": ("wait_for_job", {"job_id": "exact-name", "until": "*"}, "until='*' is not a regular"),
    "bad port": ("wait_for_job", {"job_id": "exact-name", "until": "port:70000"}, "1 to 65535"),
    "port that is none": ("wait_for_job", {"job_id": "exact-name", "until": "port:abc"}, "[p]ort:abc"),
    "bad URL": ("wait_for_job", {"job_id": "exact-name", "until": "http://:80"}, "not a URL"),
    "bad idle": ("wait_for_job", {"job_id": "exact-name", "until": "idle:-1"}, "idle"),
    "negative cursor": ("wait_for_job", {"job_id": "exact-name", "cursor": -1}, "cursor=-1"),
    "unknown tail": ("tail_job_output", {"job_id": "exact-nam"}, "nearest: exact-name"),
    "bad grep": ("tail_job_output", {"job_id": "exact-name", "grep": "("}, "grep='(' is not a regular"),
    "no lines": ("tail_job_output", {"job_id": "exact-name", "lines": 0}, "lines=0"),
    "unknown output": ("get_job_output", {"job_id": "exact-nam"}, "nearest: exact-name"),
    "negative page": ("get_job_output", {"job_id": "exact-name", "cursor": -5}, "cursor=-5"),
    "unknown input": ("interact_with_job", {"job_id": "exact-nam", "input": "x"}, "nearest: exact-name"),
    "no input": ("interact_with_job", {"job_id": "exact-name"}, "nothing to send"),
    "input to the ended": ("interact_with_job", {"job_id": "exact-name", "input": "x"}, "it is completed"),
    "unknown key": ("interact_with_job", {"job_id": "exact-name", "keys": ["any"]}, "key 'any' is unknown"),
    "bad signal": ("kill_job", {"job_id": "exact-name", "signal": "NOPE"}, "signal 'NOPE'"),
    "negative grace": ("kill_job", {"job_id": "exact-name", "grace_s": -1}, "grace_s=-1"),
    "unknown restart": ("restart_job", {"job_id": "exact-nam"}, "nearest: exact-name"),
    "unknown word": ("list_jobs", {"status": "asleep"}, "give one of queued, running"),
    "bad list limit": ("list_jobs", {"limit": 0}, "limit=0"),
}


@pytest.mark.requirement("errors.nothing_written")
@pytest.mark.parametrize("case", _REFUSALS)
def test_a_request_that_cannot_be_met_is_refused_and_changes_nothing(
    server: Server, server_directory: Path, case: str
) -> None:
    tool, arguments, sentence = _REFUSALS[case]
    before = tree_of(str(server_directory))

    message = server.error(tool, **arguments)

    assert sentence in message
    assert "Traceback" not in message
    assert len(message) < 600
    assert tree_of(str(server_directory)) == before


@pytest.mark.requirement("errors.nothing_written")
async def test_the_manager_refuses_what_no_schema_has_checked(manager: JobManager, state_dir: str) -> None:
    before = tree_of(state_dir)
    for values in (
        {"env": {"A": 1}},
        {"env": {"": "x"}},
        {"stdin": "open"},
        {"timeout_s": float("nan")},
        {"name": ""},
        {"name": "a b"},
    ):
        with pytest.raises(InvalidRequestError):
            await start(manager, "true", **values)
    assert tree_of(state_dir) == before


@pytest.mark.requirement("errors.nothing_written")
async def test_a_command_must_match_from_its_start(state_dir: str) -> None:
    with another_manager(state_dir, allowed_commands=["echo"]) as manager:
        with pytest.raises(CommandRefusedError, match="matches none of the patterns in MCP_BG_ALLOWED_COMMANDS: echo"):
            await start(manager, "true; echo")
        assert await manager.list() == []


@pytest.mark.requirement("settings.named")
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MCP_BG_MAX_JOBS", "0"),
        ("MCP_BG_MAX_JOBS", "many"),
        ("MCP_BG_MAX_OUTPUT_SIZE", "20 elephants"),
        ("MCP_BG_JOB_TIMEOUT", "-1"),
        ("MCP_BG_WORKING_DIR", "/no/where"),
        ("MCP_BG_SHELL", "sh"),
        ("MCP_BG_ALLOWED_COMMANDS", "("),
        ("MCP_BG_TOOLSETS", "jobs,magic"),
    ],
)
@pytest.mark.usefixtures("state_dir")
def test_a_setting_that_cannot_be_used_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert variable in str(caught.value)
    assert "\n" not in str(caught.value)
