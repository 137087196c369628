"""The command line that is written, and the two commands that write it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.cli.setup.install import install, uninstall
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.install.command import own_command


class _Distribution:
    """An installed package that came from somewhere."""

    def __init__(self, origin: dict[str, Any] | None) -> None:
        self._origin = origin

    @classmethod
    def of(cls, origin: dict[str, Any] | None) -> Callable[[str], _Distribution]:
        return lambda _name: cls(origin)

    def read_text(self, _name: str) -> str | None:
        return json.dumps(self._origin) if self._origin else None


def _executable(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o700)
    return str(path)


def test_a_script_is_named_as_it_was_called_and_not_where_its_link_leads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "bin" / "mcp-background-job"
    link.parent.mkdir()
    link.symlink_to(_executable(tmp_path / "venvs" / "1" / "mcp-background-job"))
    monkeypatch.setattr(sys, "argv", [str(link), "install"])
    assert own_command() == [str(link)]


def test_a_module_names_the_script_beside_its_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/x/mcp_background_job/__main__.py"])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", "/nowhere")
    assert own_command() == [str(tmp_path / "python"), "-m", "mcp_background_job"]
    script = _executable(tmp_path / "mcp-background-job")
    assert own_command() == [script]


@pytest.mark.parametrize(
    ("origin", "source"),
    [
        ({"url": "https://h/r.git", "vcs_info": {"vcs": "git", "commit_id": "c"}}, "git+https://h/r.git"),
        (
            {"url": "https://h/r.git", "vcs_info": {"vcs": "git", "requested_revision": "v2", "commit_id": "c"}},
            "git+https://h/r.git@v2",
        ),
        ({"url": "https://h/p-1-py3-none-any.whl", "archive_info": {}}, "https://h/p-1-py3-none-any.whl"),
        ({"url": "file:///src", "dir_info": {}, "subdirectory": "py"}, "file:///src#subdirectory=py"),
    ],
)
def test_from_the_cache_of_uv_it_is_the_line_of_uvx(
    origin: dict[str, Any], source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", "/home/u/.cache/uv/archive-v0/Xy")
    monkeypatch.setenv("UV", "/opt/uv/uv")
    monkeypatch.setattr(metadata, "distribution", _Distribution.of(origin))
    assert own_command() == ["/opt/uv/uvx", "--from", source, "mcp-background-job"]


def test_an_index_is_never_asked_for_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", "/home/u/.cache/uv/archive-v0/Xy")
    monkeypatch.setattr(metadata, "distribution", _Distribution.of(None))
    with pytest.raises(InvalidRequestError, match="--command"):
        own_command()


@pytest.mark.usefixtures("state_dir")
def test_a_dry_run_shows_the_difference_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / ".cursor" / "mcp.json"
    install("cursor", dry_run=True, command="'/a b/x' serve")
    said = capsys.readouterr().out
    assert f"+++ {path}\n" in said
    assert '+      "command": "/a b/x",\n' in said
    assert f"not written: {path}\n" in said
    assert not path.exists()


@pytest.mark.usefixtures("state_dir")
def test_both_commands_say_what_they_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / ".codex" / "config.toml"
    install("codex", command="x")
    assert capsys.readouterr().out.endswith(
        f"written: {path}\nRestart Codex: trust the stop hook there once with /hooks.\n"
    )
    install("codex", command="x")
    assert capsys.readouterr().out == "Codex has it already; nothing was changed\n"
    uninstall("codex", as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert said["written"] is True
    assert [change["path"] for change in said["changes"]] == [str(path)]
    uninstall("codex")
    assert capsys.readouterr().out == "Codex does not have it; nothing was changed\n"


@pytest.mark.parametrize("command", ["", "  ", "'open"])
@pytest.mark.usefixtures("state_dir")
def test_a_command_that_is_none_is_refused(command: str) -> None:
    with pytest.raises(InvalidRequestError, match="--command"):
        install("cursor", command=command)
