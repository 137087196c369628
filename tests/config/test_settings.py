"""Settings from the environment: what is understood, and the one line that refuses the rest."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from mcp_background_job.config import (
    TOOLSETS,
    ComfyUISettings,
    Settings,
    load_comfyui_settings,
    load_settings,
    variable_of,
)
from mcp_background_job.errors import ConfigError

KB = 1024
MB = 1024**2
GB = 1024**3


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in [name for name in os.environ if name.upper().startswith("MCP_BG_")]:
        monkeypatch.delenv(variable)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def refusal(monkeypatch: pytest.MonkeyPatch, setting: str, value: str) -> str:
    monkeypatch.setenv(variable_of(setting), value)
    with pytest.raises(ConfigError) as error:
        load_settings()
    return str(error.value)


def test_without_any_variable_the_safe_choices_hold(tmp_path: Path) -> None:
    settings = load_settings()

    assert settings.state_dir == str(tmp_path / ".local/state/mcp-background-job")
    assert settings.max_jobs == 10
    assert settings.max_output_size == 64 * MB
    assert settings.job_timeout is None
    assert settings.allowed_commands == []
    assert settings.toolsets == "auto"
    assert settings.http_token is None


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4096", 4096),
        ("65536B", 65536),
        ("20MB", 20 * MB),
        ("20mb", 20 * MB),
        ("20 MB", 20 * MB),
        (" 20MB ", 20 * MB),
        ("20M", 20 * MB),
        ("100kB", 100 * KB),
        ("100k", 100 * KB),
        ("1.5gb", 3 * GB // 2),
        ("1G", GB),
    ],
)
def test_a_size_is_read_as_bytes(monkeypatch: pytest.MonkeyPatch, text: str, size: int) -> None:
    monkeypatch.setenv("MCP_BG_MAX_OUTPUT_SIZE", text)

    assert load_settings().max_output_size == size


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("max_output_size", "lots"),
        ("max_output_size", "20TB"),
        ("max_output_size", "20 MB each"),
        ("max_output_size", "-1"),
        ("max_output_size", "1e9"),
        ("max_output_size", "1.5.2MB"),
        ("max_output_size", "MB"),
        ("max_output_size", "4095"),
        ("max_output_size", "0.5KB"),
        ("max_output_size", "9" * 400 + "GB"),
        ("max_jobs", "0"),
        ("max_jobs", "-3"),
        ("max_jobs", "ten"),
        ("max_jobs", "1.5"),
        ("max_jobs", "10001"),
        ("job_timeout", "0"),
        ("job_timeout", "-5"),
        ("job_timeout", "soon"),
        ("job_timeout", "nan"),
        ("job_timeout", "inf"),
        ("cleanup_interval", "9"),
        ("cleanup_interval", "nan"),
        ("keep_days", "0"),
        ("keep_days", "a week"),
        ("working_dir", "/no/such/directory"),
        ("working_dir", "/dev/null"),
        ("working_dir", "~nosuchuser/work"),
        ("state_dir", "~nosuchuser/state"),
        ("shell", "sh"),
        ("shell", "/no/such/shell"),
        ("shell", "/dev/null"),
        ("shell", "/"),
        ("shell", "bash -l"),
        ("shell", "/no/such/shell -l"),
        ("shell", "/bin/sh 'open"),
        ("allowed_commands", "("),
        ("toolsets", "cooking"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_one_line_that_names_variable_and_value(
    monkeypatch: pytest.MonkeyPatch, setting: str, value: str
) -> None:
    line = refusal(monkeypatch, setting, value)

    assert len(line.splitlines()) == 1
    assert line.startswith(f"MCP_BG_{setting.upper()}")
    assert value in line


def test_of_several_values_the_one_that_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "cooking" in refusal(monkeypatch, "toolsets", "jobs,cooking")
    assert "'auto' should be one of jobs, comfyui, runs" in refusal(monkeypatch, "toolsets", "comfyui,auto")
    assert "'['" in refusal(monkeypatch, "allowed_commands", "ls, [")


# -- the token ---------------------------------------------------------------------------------------------------------

SECRET = "hunter2-hunter2"


def test_a_token_is_read_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_BG_HTTP_TOKEN", SECRET)
    settings = load_settings()

    assert settings.http_token == SECRET
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings)


def test_a_token_that_cannot_be_used_is_not_shown_either() -> None:
    with pytest.raises(ConfigError) as error:
        load_settings(http_token=[SECRET])

    assert str(error.value).startswith("MCP_BG_HTTP_TOKEN: ")
    assert SECRET not in str(error.value)


def test_another_setting_that_is_refused_does_not_show_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_BG_HTTP_TOKEN", SECRET)

    assert SECRET not in refusal(monkeypatch, "max_jobs", "ten")


@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_token_does_not_open_the_door(monkeypatch: pytest.MonkeyPatch, empty: str) -> None:
    monkeypatch.setenv("MCP_BG_HTTP_TOKEN", empty)
    try:
        token = load_settings().http_token
    except ConfigError:
        return
    assert token is None


# -- directories -------------------------------------------------------------------------------------------------------


def test_the_state_directory_follows_the_system_s_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/var/states")

    assert load_settings().state_dir == "/var/states/mcp-background-job"


def test_an_empty_variable_of_the_system_is_as_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "")
    monkeypatch.setenv("MCP_BG_STATE_DIR", "")

    assert load_settings().state_dir == str(tmp_path / ".local/state/mcp-background-job")


@pytest.mark.parametrize(
    ("text", "path"), [("/srv/jobs", "/srv/jobs"), ("~/jobs", "{home}/jobs"), ("jobs", "{cwd}/jobs")]
)
def test_our_own_variable_outranks_the_system_s_and_becomes_an_absolute_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, path: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/var/states")
    monkeypatch.setenv("MCP_BG_STATE_DIR", text)

    assert load_settings().state_dir == path.format(home=tmp_path, cwd=Path.cwd())


def test_nothing_is_made_by_reading_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MCP_BG_STATE_DIR", str(tmp_path / "state"))
    load_settings()

    assert list(tmp_path.iterdir()) == []


def test_the_working_directory_becomes_an_absolute_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("MCP_BG_WORKING_DIR", "~/work")

    assert load_settings().working_dir == str(tmp_path / "work")


def test_a_removed_working_directory_is_said_to_be_that(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    with pytest.raises(ConfigError, match="the working directory was removed"):
        load_settings(state_dir=str(tmp_path / "state"))


# -- lists -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        ("", []),
        ("ls", ["ls"]),
        ("^ls( |$), ^git (status|log)", ["^ls( |$)", "^git (status|log)"]),
        (" , ,make,", ["make"]),
    ],
)
def test_allowed_commands_are_separated_by_commas(
    monkeypatch: pytest.MonkeyPatch, text: str, patterns: list[str]
) -> None:
    monkeypatch.setenv("MCP_BG_ALLOWED_COMMANDS", text)

    assert load_settings().allowed_commands == patterns


@pytest.mark.parametrize(
    ("text", "toolsets"),
    [
        ("jobs", ["jobs"]),
        (" jobs , ", ["jobs"]),
        ("", []),
        ("runs,jobs", ["runs", "jobs"]),
        ("all", list(TOOLSETS)),
        (" all,", list(TOOLSETS)),
        ("auto", "auto"),
    ],
)
def test_toolsets_are_separated_by_commas(
    monkeypatch: pytest.MonkeyPatch, text: str, toolsets: list[str] | str
) -> None:
    monkeypatch.setenv("MCP_BG_TOOLSETS", text)

    assert load_settings().toolsets == toolsets


# -- the shell ---------------------------------------------------------------------------------------------------------


def test_the_shell_may_have_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_BG_SHELL", "/bin/sh  -e -o 'no glob'")

    assert load_settings().shell == "/bin/sh -e -o 'no glob'"


def test_without_the_setting_the_shell_is_the_user_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    zsh = tmp_path / "zsh"
    zsh.touch(0o755)
    monkeypatch.setenv("SHELL", str(zsh))

    assert load_settings().shell == str(zsh)


# -- the rest ----------------------------------------------------------------------------------------------------------


def test_variables_are_named_after_their_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"max_jobs": "3", "job_timeout": "1.5", "cleanup_interval": "60", "keep_days": "2", "shell": "/bin/sh"}
    for setting, value in values.items():
        monkeypatch.setenv(variable_of(setting), value)
    settings = load_settings()

    assert (settings.max_jobs, settings.job_timeout) == (3, 1.5)
    assert (settings.cleanup_interval, settings.keep_days) == (60.0, 2.0)


def test_what_is_said_on_the_command_line_outranks_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_BG_MAX_JOBS", "3")

    assert load_settings(max_jobs=5).max_jobs == 5


def test_a_variable_that_nobody_knows_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_BG_COLOUR", "green")

    assert load_settings() == load_settings()


def test_every_setting_says_what_it_is_for() -> None:
    assert all(
        setting.metadata["description"] for kind in (Settings, ComfyUISettings) for setting in dataclasses.fields(kind)
    )


def test_the_directory_of_outputs_is_absolute_and_need_not_be_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("COMFYUI_OUTPUT_DIR", raising=False)
    assert load_comfyui_settings().output_dir is None
    monkeypatch.chdir(tmp_path)
    for given, meant in (("~/renders", "renders"), ("renders", "renders"), (str(tmp_path / "x"), "x")):
        monkeypatch.setenv("COMFYUI_OUTPUT_DIR", given)
        assert load_comfyui_settings().output_dir == str(tmp_path / meant)
    monkeypatch.setenv("COMFYUI_OUTPUT_DIR", "~nosuchuser/renders")
    with pytest.raises(ConfigError, match=r"^COMFYUI_OUTPUT_DIR='~nosuchuser/renders': "):
        load_comfyui_settings()
