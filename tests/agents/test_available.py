"""The look for an agent's program: real small programs, in real directories."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.agents.adapters import program
from mcp_background_job.agents.adapters.base import Availability
from mcp_background_job.agents.adapters.table import adapter_named

PROGRAMS = {"codex": "codex", "claude_code": "claude", "gemini": "gemini", "antigravity": "agy", "opencode": "opencode"}
#: What says where to get each of them.
SOURCES = {
    "codex": "install it with `npm install -g @openai/codex`",
    "claude_code": "install it with `npm install -g @anthropic-ai/claude-code`",
    "gemini": "install it with `npm install -g @google/gemini-cli`",
    "antigravity": "install it as https://antigravity.google/docs/cli says",
    "opencode": "install it with `npm install -g opencode-ai`",
}


_REFERENCE = (Path(__file__).parents[2] / "docs" / "reference" / "agents.md").read_text()


def _program(directory: Path, name: str, body: str) -> str:
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def _path(*directories: Path | str) -> dict[str, str]:
    return {"PATH": os.pathsep.join(map(str, [*directories, "/usr/bin", "/bin"]))}


@pytest.mark.parametrize(("name", "file"), PROGRAMS.items())
def test_a_program_on_the_path_is_found_with_its_version(name: str, file: str, tmp_path: Path) -> None:
    path = _program(tmp_path, file, f'test "$1" = --version && echo "{file} 9.8.7 (of today)"')
    found = adapter_named(name).available({}, _path(tmp_path))
    assert (found.path, found.version, found.reason) == (path, "9.8.7", "")


@pytest.mark.parametrize(("name", "file"), PROGRAMS.items())
def test_a_missing_program_is_said_to_be_missing_with_what_to_install(name: str, file: str, tmp_path: Path) -> None:
    found = adapter_named(name).available({}, {"PATH": str(tmp_path)})
    assert found.path is None
    assert found.reason == f"there is no program {file} on the PATH; {SOURCES[name]}"


@pytest.mark.parametrize(("name", "file"), PROGRAMS.items())
def test_the_reference_names_the_oldest_version_that_is_taken(name: str, file: str, tmp_path: Path) -> None:
    oldest = re.search(rf"^\| `{name}` \| `{file}` (\d+)\.(\d+)\.(\d+) \|", _REFERENCE, re.MULTILINE)
    assert oldest, f"no row of {name} in the reference"
    major, minor, patch = map(int, oldest.groups())
    before = (major, minor, patch - 1) if patch else (major, minor - 1, 99) if minor else (major - 1, 99, 99)
    for version, is_taken in (((major, minor, patch), True), (before, False)):
        directory = tmp_path / str(is_taken)
        _program(directory, file, f"echo {'.'.join(map(str, version))}")
        assert bool(adapter_named(name).available({}, _path(directory)).path) is is_taken


@pytest.mark.parametrize(("name", "file"), PROGRAMS.items())
def test_a_program_that_is_too_old_is_not_used(name: str, file: str, tmp_path: Path) -> None:
    path = _program(tmp_path, file, "echo 0.0.9")
    found = adapter_named(name).available({}, _path(tmp_path))
    assert (found.path, found.version) == (None, "0.0.9")
    assert f"{path} is version 0.0.9, and at least " in found.reason
    assert SOURCES[name] in found.reason


def test_a_program_is_taken_from_where_the_request_says(tmp_path: Path) -> None:
    _program(tmp_path / "path", "codex", "echo 1.0.0")
    path = _program(tmp_path / "mine", "my-codex", "echo 2.0.0")
    adapter = adapter_named("codex")
    assert adapter.available({"binary": path}, _path(tmp_path / "path")).version == "2.0.0"
    assert adapter.available({"binary": "my-codex"}, _path(tmp_path / "mine")).path == path
    missing = adapter.available({"binary": "/nowhere/codex"}, _path(tmp_path / "path"))
    assert missing.path is None
    assert "there is no program backend_config.binary /nowhere/codex" in missing.reason


@pytest.mark.parametrize("binary", ["./codex", "bin/codex", "", 7])
def test_a_binary_that_depends_on_the_working_directory_is_refused(binary: object) -> None:
    found = adapter_named("codex").available({"binary": binary}, _path())
    assert found.path is None
    assert "give a" in found.reason


@pytest.mark.parametrize("entry", ["", ".", "bin", "./bin"])
def test_a_file_of_the_workspace_is_never_taken_for_the_agent(
    entry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for directory in (tmp_path, tmp_path / "bin"):
        _program(directory, "codex", f"touch {tmp_path}/ran; echo 9.0.0")
    monkeypatch.chdir(tmp_path)
    for name, config in (("codex", {}), ("command", {"command": ["codex"]})):
        found = adapter_named(name).available(config, {"PATH": os.pathsep.join([entry, "/nowhere"])})
        assert found.path is None
    assert not (tmp_path / "ran").exists()


def test_a_program_that_is_slow_to_tell_its_version_is_used_and_the_question_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "VERSION_TIMEOUT_S", 0.3)
    # Its child holds its output open, and a name pipe whose reader waits for the last writer to be gone.
    os.mkfifo(tmp_path / "alive")
    _program(tmp_path, "codex", f"exec 9>{tmp_path}/alive; sleep 60 & sleep 60")
    reader = os.open(tmp_path / "alive", os.O_RDONLY | os.O_NONBLOCK)
    found = adapter_named("codex").available({}, _path(tmp_path))
    assert found == Availability(str(tmp_path / "codex"), version=None)
    os.set_blocking(reader, True)
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_a_program_that_fails_is_not_used_and_its_words_are_told(tmp_path: Path) -> None:
    _program(tmp_path, "gemini", "echo needs Node 20 >&2; exit 3")
    found = adapter_named("gemini").available({}, _path(tmp_path))
    assert found.path is None
    assert "--version ended with exit code 3 (needs Node 20); an agent must answer that" in found.reason
    assert "install" not in found.reason  # it is there


def test_the_words_of_a_program_that_fails_are_cut_before_a_whole_one(tmp_path: Path) -> None:
    _program(tmp_path, "gemini", f"echo '{'trace back ' * 40}'; exit 1")
    said = adapter_named("gemini").available({}, _path(tmp_path)).reason
    assert re.search(r"exit code 1 \(… (trace|back) [a-z ]* trace back\); an agent", said), said


def test_a_program_that_cannot_be_started_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "codex"
    path.write_text("#!/nowhere/sh\n")
    path.chmod(0o755)
    found = adapter_named("codex").available({}, _path(tmp_path))
    assert found.path is None
    assert found.reason == f"{path} cannot be started (No such file or directory); {SOURCES['codex']}"


def test_a_program_that_names_no_version_is_used(tmp_path: Path) -> None:
    path = _program(tmp_path, "codex", f"echo a build of mine, {'9' * 5000}.1")
    found = adapter_named("codex").available({}, _path(tmp_path))
    assert (found.path, found.version) == (path, None)


def test_a_program_is_asked_again_only_when_it_has_changed(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    _program(tmp_path, "codex", f"echo x >> {asked}; echo 1.0.0")
    adapter = adapter_named("codex")
    for _ in range(3):
        assert adapter.available({}, _path(tmp_path)).version == "1.0.0"
    assert asked.read_text() == "x\n"
    _program(tmp_path, "codex", f"echo x >> {asked}; echo 1.0.10")
    assert adapter.available({}, _path(tmp_path)).version == "1.0.10"


def test_the_programs_of_the_environment_count_and_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path, "codex", "echo 1.0.0")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert adapter_named("codex").available({}, {"PATH": "/nowhere"}).path is None
    assert adapter_named("codex").available({}, {}).path is None


def test_a_command_is_found_by_the_first_word_of_its_argv(tmp_path: Path) -> None:
    path = _program(tmp_path, "report", "echo hello")
    adapter = adapter_named("command")
    assert adapter.available({"command": ["report", "--all"]}, _path(tmp_path)).path == path
    assert "there is no program repört on the PATH" in adapter.available({"command": ["repört"]}, _path()).reason
    unusable: list[dict[str, Any]] = [{}, {"command": "report"}, {"command": []}, {"command": [""]}]
    for config in unusable:
        assert "backend_config.command" in adapter.available(config, _path(tmp_path)).reason


@pytest.mark.parametrize("name", ["command", "acp"])
def test_a_path_at_which_there_is_no_program_is_not_said_to_be_missing_on_the_path(name: str, tmp_path: Path) -> None:
    plain = tmp_path / "notes.txt"
    plain.write_text("not executable")
    for path in (plain, tmp_path, tmp_path / "gone"):
        found = adapter_named(name).available({"command": [str(path)]}, _path())
        assert found.path is None
        assert found.reason.startswith(f"there is no executable file {path}; install")
