"""Every client, with files as people have them: nothing but ours comes in, and out again without a trace."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import stat
import tomllib
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.install.clients import CLIENTS, Client, Machine, client
from mcp_background_job.install.spans import read
from tests.install.conftest import COMMAND, Home

_TOML = "codex"

#: What stands in the clients' files before: each as JSON with comments, and as TOML.
_HOSTILE = {
    "none": (None, None),
    "empty": ("", ""),
    "blank": (" \n\n", "\n\n"),
    "only a comment": ("// mine", "# mine"),
    "only a byte-order mark": ("\ufeff", "\ufeff"),
    "an empty object": ("{}", "\n"),
    "an open empty object": ("{\n}\n", "# \n"),
    "minified": ('{"theme":"dark","KEYS":{"other":{"command":"x"}}}', 'theme="dark"\n[KEYS.other]\ncommand="x"'),
    "minified and empty": ('{"KEYS":{},"hooks":{}}', "[KEYS]\n[hooks]"),
    "four spaces and comments": (
        '// my\n{\n    // servers\n    "KEYS": { // a\n        "o": {"command": "x"}, // o\n    },\n    "hooks": {}\n}',
        "# settings\n[KEYS.other]   # mine\ncommand = 'x' # last\n\n\n\n[other] # end\n",
    ),
    "tabs, CRLF, no end of line": (
        '{\r\n\t"a": 1,\r\n\t"KEYS": {\r\n\t\t"z": {}\r\n\t}\r\n}',
        'a = 1\r\n\r\n[KEYS.z]\r\ncommand = "z"',
    ),
    "byte-order mark, mixed line ends": (
        '\ufeff{\r\n  "b": "\\u00e9 é",\n  "KEYS": {}\r\n}\n\n',
        '\ufeffb = "\\u00e9 é"\r\n[KEYS]\n[c]\r\n\n\n',
    ),
    "strings that look like structure": (
        '{"x": "// \\" }, \\"background-job\\": {", "y": ["/*", "*/", "]"]}\n',
        'x = """\n[KEYS.background-job]\n"""\ny = "[[hooks.Stop]]"\n',
    ),
    "other hooks": (
        '{\n  "hooks": {"Stop": [{"hooks": []}], "stop": [\n {"command": "x"},\n ], "AfterAgent": [ ]}\n}\n',
        "[[hooks.Stop]]\n[[hooks.Stop.hooks]]\ntype = 'command'\ncommand = 'mine'\n[[hooks.Start]]\n",
    ),
    "inline": (
        '{"KEYS": {"other": {"command": "x"}}, "hooks": {"Stop": []}}',
        "a.b = 1\nKEYS = { other = { command = 'x' } } # mine\n[other]\nb = { c = 1 }\n",
    ),
    "keys twice": ('{"KEYS": {"a": {}}, "KEYS": {"b": {}}}', ""),
}


def _content(chosen: Client, name: str) -> str | None:
    text = _HOSTILE[name][chosen.name == _TOML]
    keys = {_TOML: "mcp_servers", "opencode": "mcp", "vscode": "servers", "zed": "context_servers"}
    return None if text is None else text.replace("KEYS", keys.get(chosen.name, "mcpServers"))


def _bytes(paths: set[Path]) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.exists() else None for path in paths}


def _value(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8-sig")
    return tomllib.loads(text) if path.suffix == ".toml" else read(text).value


def _prepare(paths: set[Path], text: str | None) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is not None and path.suffix in {".json", ".toml", ".jsonc"}:
            path.write_bytes(text.encode())


@pytest.mark.parametrize("name", _HOSTILE)
@pytest.mark.parametrize("chosen", CLIENTS, ids=lambda chosen: chosen.name)
def test_what_was_there_stays_and_comes_back(home: Home, chosen: Client, name: str) -> None:
    paths = home.paths(chosen)
    _prepare(paths, _content(chosen, name))
    before = _bytes(paths)

    assert {change.path for change in home.install(chosen)} == paths
    main = chosen.file(home.machine, None)
    assert main
    assert chosen.command_in(_value(main)) == (COMMAND, {})
    for path, content in before.items():
        _keeps_all_lines(content or b"", path.read_bytes())

    there = _bytes(paths)
    assert home.install(chosen) == []
    assert _bytes(paths) == there

    assert {change.path for change in home.uninstall(chosen)} == paths
    assert _bytes(paths) == before
    assert home.uninstall(chosen) == []


def _keeps_all_lines(before: bytes, after: bytes) -> None:
    """Every byte of before is in after, in its order: something was put in, and nothing changed."""
    rest = iter(after)
    assert all(byte in rest for byte in before)


@pytest.mark.parametrize("chosen", [one for one in CLIENTS if one.name not in {"claude-desktop", "windsurf"}])
def test_a_project_has_files_of_its_own(home: Home, chosen: Client, tmp_path: Path) -> None:
    project = tmp_path / "project"
    changes = home.install(chosen, project=project)
    assert changes
    assert all(change.path.is_relative_to(project) for change in changes)
    home.uninstall(chosen, project=project)
    assert not [path for path in project.rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", ["claude-desktop", "windsurf"])
def test_a_client_without_project_files_says_so(home: Home, name: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="leave out --project"):
        home.install(client(name), project=tmp_path)


def test_codex_waits_for_the_tools_of_its_first_turn(home: Home) -> None:
    home.install(client("codex"))
    value = _value(home.machine.home / ".codex" / "config.toml")
    assert value["mcp_servers"]["background-job"]["required"] is True
    [stop] = value["hooks"]["Stop"]
    assert stop["hooks"][0]["command"] == "'/opt/my tools/bin/mcp-background-job' hook stop --client codex"


@pytest.mark.parametrize("chosen", CLIENTS, ids=lambda chosen: chosen.name)
def test_without_hooks_there_is_only_the_server(home: Home, chosen: Client) -> None:
    [change] = home.install(chosen, hooks=False)
    assert "hook" not in (change.after or "")
    home.install(chosen)
    home.uninstall(chosen)
    assert not any(path.exists() for path in home.paths(chosen))


@pytest.mark.parametrize("chosen", CLIENTS, ids=lambda chosen: chosen.name)
def test_another_command_takes_the_place_of_the_first_and_keeps_what_a_user_added(home: Home, chosen: Client) -> None:
    [change] = home.install(chosen, hooks=False)
    text = change.path.read_text()
    if change.path.suffix == ".toml":
        added = text.replace("required = true", 'required = true\nenv = { A = "b" } # mine')
    else:
        variables = "environment" if chosen.name == "opencode" else "env"
        added = text.replace('"command"', f'"{variables}": {{"A": "b"}}, "command"')
    change.path.write_text(added)
    home.install(chosen, command=["/new/uvx", "--from", "x"], hooks=False)
    assert chosen.command_in(_value(change.path)) == (["/new/uvx", "--from", "x"], {"A": "b"})
    home.uninstall(chosen)
    assert chosen.command_in(_value(change.path) if change.path.exists() else {}) is None


def test_what_a_client_writes_meanwhile_stays(home: Home) -> None:
    claude = client("claude-code")
    path = home.machine.home / ".claude.json"
    _prepare({path}, '{\n  "numStartups": 1\n}\n')
    home.install(claude)
    # It writes the whole file anew, with two spaces, as it is written here.
    value: dict[str, Any] = _value(path) | {"numStartups": 2}
    value["mcpServers"]["mine"] = {"command": "y"}
    path.write_text(json.dumps(value, indent=2) + "\n")
    home.uninstall(claude)
    assert _value(path) == {"mcpServers": {"mine": {"command": "y"}}, "numStartups": 2}


def test_what_a_client_writes_elsewhere_in_the_file_does_not_keep_it_from_being_undone(home: Home) -> None:
    claude = client("claude-code")
    path = home.machine.home / ".claude.json"
    _prepare({path}, '{"mcpServers": { },\n  "numStartups": 1\n}\n')
    home.install(claude)
    path.write_text("// up here\n" + path.read_text().replace('"numStartups": 1', '"numStartups": 22'))
    home.uninstall(claude)
    assert path.read_text() == '// up here\n{"mcpServers": { },\n  "numStartups": 22\n}\n'


@pytest.mark.parametrize("chosen", CLIENTS, ids=lambda chosen: chosen.name)
def test_without_a_record_only_what_is_ours_is_taken_out(home: Home, chosen: Client, tmp_path: Path) -> None:
    paths = home.paths(chosen)
    _prepare(paths, _content(chosen, "minified"))
    values = {path: _value(path) for path in paths if path.exists()}
    home.install(chosen)
    for record in (tmp_path / "state").rglob("*.json"):
        record.unlink()
    home.uninstall(chosen)
    for path, value in values.items():
        left = _value(path)
        left.pop("hooks", None)
        assert left == value


def test_an_entry_that_a_user_wrote_comes_back(home: Home) -> None:
    path = home.machine.home / ".codex" / "config.toml"
    text = '[mcp_servers.background-job] # mine\ncommand = "mcp-background-job"\nstartup_timeout_sec = 20\n\n[x]\n'
    _prepare({path}, text)
    home.install(client("codex"), hooks=False)
    assert _value(path)["mcp_servers"]["background-job"]["required"] is True
    assert "# mine" in path.read_text()
    home.uninstall(client("codex"))
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("cursor", b'{"mcpServers": {', "cannot be parsed"),
        ("cursor", b"[]", "cannot be parsed: it does not hold an object"),
        ("zed", b'{"context_servers": []}', "context_servers should be an object"),
        ("vscode", '{"a": 1}'.encode("utf-16"), "not in UTF-8"),
        ("codex", b"a = \n", "cannot be parsed"),
        ("codex", b"hooks = { Stop = [] }\n", "edit it by hand"),
        ("gemini", b'{"hooks": {"AfterAgent": {}}}', "hooks.AfterAgent should be an array"),
    ],
)
def test_what_cannot_be_edited_is_refused_and_stays(home: Home, name: Any, content: bytes, why: str) -> None:
    path = client(name).file(home.machine, None)
    assert path
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(InvalidRequestError, match=why) as refused:
        home.install(client(name))
    assert str(path) in str(refused.value)
    assert path.read_bytes() == content


def test_mode_and_links_stay(home: Home, tmp_path: Path) -> None:
    dotfiles = tmp_path / "dotfiles"
    dotfiles.mkdir()
    real = dotfiles / "mcp.json"
    real.write_text("{}")
    real.chmod(0o640)
    link = home.machine.home / ".cursor" / "mcp.json"
    link.parent.mkdir(parents=True)
    link.symlink_to(os.path.relpath(real, link.parent))
    home.install(client("cursor"), hooks=False)
    assert link.is_symlink()
    assert "background-job" in real.read_text()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    home.uninstall(client("cursor"))
    assert link.is_symlink()
    assert real.read_text() == "{}"
    assert sorted(path.name for path in dotfiles.iterdir()) == ["mcp.json"]


def test_a_new_file_is_its_users_alone(home: Home) -> None:
    [change, *_] = home.install(client("windsurf"))
    assert stat.S_IMODE(change.path.stat().st_mode) == 0o600


def test_a_file_that_changes_meanwhile_is_not_overwritten(home: Home) -> None:
    path = home.machine.home / ".cursor" / "mcp.json"
    [change] = home.install(client("cursor"), hooks=False)
    path.write_text('{"new": 1}')
    with pytest.raises(InvalidRequestError, match="was changed meanwhile"):
        change.make(home.records)
    assert path.read_text() == '{"new": 1}'
    home.install(client("cursor"), hooks=False)
    home.uninstall(client("cursor"))
    assert path.read_text() == '{"new": 1}'


def test_opencode_keeps_the_file_with_comments_that_its_user_has(home: Home) -> None:
    path = home.machine.home / ".config" / "opencode" / "opencode.jsonc"
    _prepare({path}, "{} // mine\n")
    assert path in {change.path for change in home.install(client("opencode"))}


@pytest.mark.parametrize(
    ("name", "environ", "platform", "path"),
    [
        ("claude-code", {"CLAUDE_CONFIG_DIR": "/c"}, "linux", "/c/.claude.json"),
        ("codex", {"CODEX_HOME": "/c"}, "linux", "/c/config.toml"),
        ("opencode", {"XDG_CONFIG_HOME": "/x"}, "linux", "/x/opencode/opencode.json"),
        ("gemini", {"GEMINI_CLI_HOME": "/g"}, "linux", "/g/.gemini/settings.json"),
        ("claude-desktop", {}, "darwin", "/h/Library/Application Support/Claude/claude_desktop_config.json"),
        ("vscode", {}, "darwin", "/h/Library/Application Support/Code/User/mcp.json"),
        ("vscode", {}, "linux", "/h/.config/Code/User/mcp.json"),
    ],
)
def test_clients_are_looked_for_where_they_look(name: Any, environ: dict[str, str], platform: str, path: str) -> None:
    assert str(client(name).file(Machine(Path("/h"), environ, platform), None)) == path


def test_a_record_that_is_broken_is_named(home: Home, tmp_path: Path) -> None:
    home.install(client("zed"))
    [record] = (tmp_path / "state").rglob("*.json")
    record.write_text("[")
    with pytest.raises(InvalidRequestError, match=re.escape(str(record))):
        home.uninstall(client("zed"))
    record.unlink()
    home.uninstall(client("zed"))
    path = client("zed").file(home.machine, None)
    assert path
    assert _value(path) == {"context_servers": {}}


def test_a_command_line_that_is_no_utf8_is_refused(home: Home) -> None:
    with pytest.raises(InvalidRequestError, match="not UTF-8"):
        home.install(client("zed"), command=[os.fsdecode(b"/opt/\xff/x")])


def test_a_link_that_leads_nowhere_yet_gets_its_file(home: Home, tmp_path: Path) -> None:
    path = client("zed").file(home.machine, None)
    assert path
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path / "dotfiles" / "zed.json")
    home.install(client("zed"))
    assert (tmp_path / "dotfiles" / "zed.json").exists()
    home.uninstall(client("zed"))
    assert path.is_symlink()
    assert not path.exists()


def test_a_state_directory_that_cannot_be_made_keeps_the_file_as_it_is(home: Home, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    with pytest.raises(InvalidRequestError, match="state"):
        home.install(client("zed"))
    path = client("zed").file(home.machine, None)
    assert path
    assert not path.exists()


def test_what_is_no_file_is_neither_waited_for_nor_replaced(home: Home) -> None:
    path = client("zed").file(home.machine, None)
    assert path
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    with pytest.raises(InvalidRequestError, match="is not a file"):
        home.install(client("zed"))
    assert path.is_fifo()


@contextlib.contextmanager
def _room_for(size: int) -> Generator[None]:
    """Let no file become larger, as a disk does that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("chosen", [client("codex"), client("zed")], ids=lambda one: one.name)
def test_on_a_full_disk_nothing_is_lost_and_nothing_is_recorded(home: Home, chosen: Client) -> None:
    comment = f"# {'x' * 5000}\n" if chosen.name == _TOML else f"// {'x' * 5000}\n{{}}\n"
    (path,) = home.paths(chosen)
    path.parent.mkdir(parents=True)
    path.write_text(comment)
    home.install(chosen)
    first = path.read_text()
    for size in (0, 4000):  # for nothing at all, and for what is recorded
        with _room_for(size), pytest.raises(InvalidRequestError, match="cannot be written: File too large") as told:
            home.install(chosen, command=["/elsewhere"])
        assert "\n" not in str(told.value)
        assert path.read_text() == first
        assert os.listdir(path.parent) == [path.name]
    home.install(chosen, command=["/elsewhere"])
    home.uninstall(chosen)
    assert path.read_text() == comment


@pytest.mark.parametrize("chosen", [client("codex"), client("zed")], ids=lambda one: one.name)
def test_a_file_that_is_read_only_stays_as_it_is(home: Home, chosen: Client) -> None:
    (path,) = home.paths(chosen)
    path.parent.mkdir(parents=True)
    path.touch()
    path.chmod(0o444)
    with pytest.raises(InvalidRequestError, match=r"is read-only: make it writable \(chmod u\+w\), and try again"):
        home.install(chosen)
    assert path.read_bytes() == b""
    assert os.listdir(path.parent) == [path.name]
    path.chmod(0o644)
    home.install(chosen)
    path.chmod(0o444)
    with pytest.raises(InvalidRequestError, match="is read-only"):
        home.uninstall(chosen)
    assert "mcp-background-job" in path.read_text()


def below(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.parametrize("chosen", CLIENTS, ids=lambda chosen: chosen.name)
def test_folders_that_the_installation_made_go_with_it(home: Home, chosen: Client) -> None:
    home.machine.home.mkdir()
    home.install(chosen)
    assert below(home.machine.home)
    home.install(chosen, command=["/opt/another"])
    home.uninstall(chosen)
    assert below(home.machine.home) == set()


def test_folders_that_others_use_or_made_stay(home: Home) -> None:
    theirs = home.machine.home / ".cursor"
    theirs.mkdir(parents=True)
    home.install(client("cursor"))
    home.uninstall(client("cursor"))
    assert theirs.is_dir()
    home.install(client("opencode"))
    (note := home.machine.home / ".config" / "opencode" / "note").touch()
    home.uninstall(client("opencode"))
    assert below(home.machine.home) == {theirs, note, note.parent, note.parent.parent}


def test_a_record_without_folders_is_that_of_an_older_release(home: Home, tmp_path: Path) -> None:
    home.install(client("zed"))
    (record,) = (tmp_path / "state" / "installed").iterdir()
    known = json.loads(record.read_text())
    del known["folders"]
    record.write_text(json.dumps(known))
    home.uninstall(client("zed"))
    assert {path.name for path in below(home.machine.home)} == {".config", "zed"}
