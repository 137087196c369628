"""Settings, read from the environment once, at the edge."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from mcp_background_job.errors import ConfigError

_UNITS = {"": 1, "B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMG]?B?)", re.IGNORECASE)

Toolset = Literal["jobs", "comfyui", "runs"]
TOOLSETS: tuple[Toolset, ...] = ("jobs", "comfyui", "runs")

#: Where ComfyUI's outputs go unless somebody says otherwise, below the allowed directory or where a person is.
DEFAULT_OUTPUT_DIR = "comfyui-outputs"

#: No disk needs more; what is longer would not fit a float.
_MAX_SIZE_DIGITS = 18


class Settings(BaseSettings):
    """All settings. Each is read from ``MCP_BG_`` and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="MCP_BG_", extra="ignore", frozen=True)

    state_dir: Annotated[str, Field(description="where jobs are kept", validate_default=True)] = ""
    max_jobs: Annotated[int, Field(ge=1, le=10_000, description="jobs running at once; more are queued")] = 10
    max_output_size: Annotated[
        int, Field(ge=4096, description="log kept per job, in bytes or as 20MB; the oldest output is dropped beyond")
    ] = 64 * 1024**2
    job_timeout: Annotated[
        float | None,
        Field(gt=0, allow_inf_nan=False, description="time limit in seconds for jobs that are started without one"),
    ] = None
    cleanup_interval: Annotated[float, Field(ge=10, description="seconds between two removals of old jobs")] = 3600
    keep_days: Annotated[float, Field(gt=0, description="days for which ended jobs are kept")] = 14
    working_dir: Annotated[str, Field(description="directory of jobs that are started without one")] = "."
    allowed_commands: Annotated[
        list[str],
        NoDecode,
        Field(
            description="regular expressions, separated by commas, one of which a command must match from its start; "
            "a guard rail, not a sandbox"
        ),
    ] = []
    shell: Annotated[str, Field(description="shell that commands are given to with -c")] = "/bin/sh"
    toolsets: Annotated[
        list[Toolset], NoDecode, Field(description="tools that the MCP server offers, separated by commas")
    ] = list(TOOLSETS)
    max_runs: Annotated[int, Field(ge=1, le=10_000, description="agents running at once; more are queued")] = 4
    run_env: Annotated[
        list[str],
        NoDecode,
        Field(description="variables, or patterns with *, that agents get beyond the usual ones, separated by commas"),
    ] = []
    http_token: Annotated[
        SecretStr | None, Field(description="bearer token of serve --http; without one, one is made and stored")
    ] = None

    @field_validator("state_dir")
    @classmethod
    def _default_state_dir(cls, value: str) -> str:
        if value:
            return str(_absolute(value))
        base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
        return str(Path(base).expanduser().absolute() / "mcp-background-job")

    @field_validator("max_output_size", mode="before")
    @classmethod
    def _bytes(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        match = _SIZE.fullmatch(value.strip())
        if match is None or len(match[1]) > _MAX_SIZE_DIGITS:
            raise ValueError("give bytes as a number, or with kB, MB or GB")
        unit = match[2].upper()
        return int(float(match[1]) * _UNITS[unit if unit.endswith("B") or not unit else f"{unit}B"])

    @field_validator("http_token")
    @classmethod
    def _token(cls, value: SecretStr | None) -> SecretStr | None:
        return value if value and value.get_secret_value().strip() else None

    @field_validator("allowed_commands", "toolsets", "run_env", mode="before")
    @classmethod
    def _separated(cls, value: object) -> object:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    @field_validator("allowed_commands")
    @classmethod
    def _patterns(cls, value: list[str]) -> list[str]:
        for pattern in value:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
        return value

    @field_validator("working_dir")
    @classmethod
    def _directory(cls, value: str) -> str:
        path = _absolute(value)
        if not path.is_dir():
            raise ValueError(f"{path} is not a directory")
        return str(path)

    @field_validator("shell")
    @classmethod
    def _executable(cls, value: str) -> str:
        if not Path(value).is_absolute() or not Path(value).is_file() or not os.access(value, os.X_OK):
            raise ValueError(f"{value!r} is not the absolute path of an executable")
        return value


class ComfyUISettings(BaseSettings):
    """Where ComfyUI is and how it is run. Each is read from ``COMFYUI_`` and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="COMFYUI_", extra="ignore", frozen=True, env_ignore_empty=True)

    url: Annotated[str | None, Field(description="URL of ComfyUI, instead of host and port")] = None
    host: Annotated[str, Field(description="host that ComfyUI listens on")] = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535, description="port that ComfyUI listens on")] = 8188
    dir: Annotated[str | None, Field(description="directory of ComfyUI, with main.py, to start it from")] = None
    command: Annotated[str | None, Field(description="command that starts ComfyUI, for the shell")] = None
    restart_command: Annotated[
        str | None, Field(description="command that restarts a ComfyUI that something else supervises")
    ] = None
    output_dir: Annotated[
        str | None, Field(description="directory that outputs are downloaded below; the working directory without it")
    ] = None

    @field_validator("output_dir")
    @classmethod
    def _expanded(cls, value: str | None) -> str | None:
        return None if value is None else str(_absolute(value))


def _absolute(value: str) -> Path:
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:  # there is no such user
        raise ValueError(f"{value}: {error}") from error


def variable_of(setting: str, settings: type[BaseSettings] = Settings) -> str:
    """Return the name of the environment variable that a setting is read from."""
    return f"{settings.model_config.get('env_prefix', '')}{setting.upper()}"


def _given(problem: Any, name: str) -> Any:
    # For a setting that was converted before it was checked, pydantic reports the converted value.
    return os.environ.get(name, problem["input"]) if isinstance(problem["input"], int) else problem["input"]


def load_settings(**overrides: Any) -> Settings:
    """Read the settings.

    Raises:
        ConfigError: a value cannot be used; the message is one line that names it.
    """
    return _load(Settings, overrides)


def load_comfyui_settings(**overrides: Any) -> ComfyUISettings:
    """Read the settings for ComfyUI.

    Raises:
        ConfigError: see ``load_settings``.
    """
    return _load(ComfyUISettings, overrides)


_Settings = TypeVar("_Settings", bound=BaseSettings)


def _load(kind: type[_Settings], overrides: dict[str, Any]) -> _Settings:
    try:
        return kind(**overrides)
    except ValidationError as error:
        problem = error.errors()[0]
        name = variable_of(str(problem["loc"][0]), kind)
        shown = "" if "token" in name.lower() else f"={_given(problem, name)!r}"
        raise ConfigError(f"{name}{shown}: {problem['msg'].removeprefix('Value error, ')}") from error
