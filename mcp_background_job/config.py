"""Settings, read from the environment once, at the edge.

Every command reads them, so this is a small reader of our own: to import pydantic-settings, and pydantic with it, took
half of the processor time of a quick command. What is kept out of ``repr`` is secret.
"""

from __future__ import annotations

import json
import math
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, get_args

from mcp_background_job.core.comfyui.server_url import shown_url
from mcp_background_job.errors import ConfigError
from mcp_background_job.jobs.inherited.project import project_named
from mcp_background_job.jobs.inherited.shell import shell_for_commands

_UNITS = {"": 1, "B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3}

Toolset = Literal["jobs", "comfyui", "runs", "mailbox"]
TOOLSETS: tuple[Toolset, ...] = get_args(Toolset)

#: What a person is asked about before it is done, where the client can ask: prompts that a stop or restart of ComfyUI
#: would lose, the end of several jobs at once, agents without a sandbox.
Matter = Literal["lose_prompts", "kill_jobs", "full_access"]
MATTERS: tuple[Matter, ...] = get_args(Matter)

#: Instead of names of toolsets: those that there is a use for, or every one.
AUTO: Literal["auto"] = "auto"
_ALL = "all"

#: Where jobs can run: this machine, always, and clusters.
PLACES = ("local", "slurm", "ray")

#: Where ComfyUI listens unless somebody says otherwise.
COMFYUI_HOST, COMFYUI_PORT = "127.0.0.1", 8188

#: Where ComfyUI's outputs go unless somebody says otherwise, below the allowed directory or where a person is.
DEFAULT_OUTPUT_DIR = "comfyui-outputs"

#: No disk needs more; what is longer would not fit a float.
_MAX_SIZE_DIGITS = 18

#: What the name of a header may be made of (RFC 9110).
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

#: Makes a value of what was given, usually a text; raises ``ValueError`` with a message that says what to give.
_Read = Callable[[Any], Any]


def _text(said: Any) -> str:
    if not isinstance(said, str):
        raise ValueError("Input should be a valid string")  # noqa: TRY004  see _Read
    return said


def _number(kind: type[int | float], text: str, said: Any) -> Any:
    try:
        return kind(said)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"Input should be a valid {text}, unable to parse string as {_a(text)}") from error


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _whole(minimum: int, maximum: int) -> _Read:
    def read(said: Any) -> int:
        value = _number(int, "integer", said)
        if value < minimum:
            raise ValueError(f"Input should be greater than or equal to {minimum}")
        if value > maximum:
            raise ValueError(f"Input should be less than or equal to {maximum}")
        return value

    return read


def _at_least(minimum: float) -> _Read:
    def read(said: Any) -> float:
        value = _number(float, "number", said)
        if not value >= minimum:
            raise ValueError(f"Input should be greater than or equal to {minimum}")
        return value

    return read


def _positive(said: Any) -> float:
    value = _number(float, "number", said)
    if not value > 0:
        raise ValueError("Input should be greater than 0")
    return value


def _time_limit(said: Any) -> float:
    value = _positive(said)
    if not math.isfinite(value):
        raise ValueError("Input should be a finite number")
    return value


def _size(minimum: int) -> _Read:
    def read(said: Any) -> int:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]?B?)", str(said).strip(), re.IGNORECASE)
        if match is None or len(match[1]) > _MAX_SIZE_DIGITS:
            raise ValueError("give bytes as a number, or with kB, MB or GB")
        unit = match[2].upper()
        value = int(float(match[1]) * _UNITS[unit if unit.endswith("B") or not unit else f"{unit}B"])
        if value < minimum:
            raise ValueError(f"Input should be greater than or equal to {minimum}")
        return value

    return read


def _separated(said: Any) -> list[str]:
    parts = said.split(",") if isinstance(said, str) else said
    return [part.strip() for part in parts if part.strip()]


def _patterns(said: Any) -> list[str]:
    patterns = _separated(said)
    for pattern in patterns:
        try:
            re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
    return patterns


def _toolsets(said: Any) -> list[str] | str:
    toolsets = _separated(said)
    if toolsets == [AUTO]:
        return AUTO
    if toolsets == [_ALL]:
        return list(TOOLSETS)
    for toolset in toolsets:
        if toolset not in TOOLSETS:
            raise ValueError(f"{toolset!r} should be one of {', '.join(TOOLSETS)}; or give {AUTO} or {_ALL} alone")
    return toolsets


def _matters(said: Any) -> list[str]:
    matters = _separated(said)
    if matters == [_ALL]:
        return list(MATTERS)
    for matter in matters:
        if matter not in MATTERS:
            raise ValueError(f"{matter!r} should be one of {', '.join(MATTERS)}; or give {_ALL} alone")
    return matters


def _urls(said: Any) -> list[str]:
    return _text(said).replace(",", " ").split()


def _token(said: Any) -> str | None:
    return said if _text(said).strip() else None


def _headers(said: Any) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in _header_pairs(_text(said).strip()):
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError("a header has no name, or a name that HTTP forbids: give Name: value, one a line, or JSON")
        if not value.isprintable() or not value.isascii():
            raise ValueError(f"the value of {name} has characters that a header cannot have")
        headers[name] = value
    return headers


def _header_pairs(said: str) -> list[tuple[str, str]]:
    if not said.startswith("{"):
        pairs = (line.partition(":") for line in said.splitlines() if line.strip())
        return [(name.strip() if colon else "", value.strip()) for name, colon, value in pairs]
    try:
        decoded: Any = json.loads(said)
    except ValueError as error:  # its message may quote the text
        raise ValueError("this is not a JSON object") from error
    if not all(isinstance(value, str) for value in decoded.values()):
        raise ValueError("each header should be a string")
    return list(decoded.items())


def _path(said: Any) -> str:
    try:
        return str(Path(_text(said)).expanduser().absolute())
    except RuntimeError as error:  # there is no such user
        raise ValueError(f"{said}: {error}") from error
    except FileNotFoundError as error:
        raise ValueError(f"{said}: the working directory was removed; change to one that exists") from error


def _state_dir(said: Any) -> str:
    if said:
        return _path(said)
    if base := os.environ.get("XDG_STATE_HOME"):
        return f"{_path(base)}/mcp-background-job"
    has_home = os.environ.get("HOME") != "" and os.path.expanduser("~") != "~"  # noqa: PTH111  which raises
    if not has_home:
        raise ValueError(f"user {os.getuid()} has no home directory to keep jobs in: set it, or HOME")
    return _path("~/.local/state/mcp-background-job")


def _directory(said: Any) -> str:
    path = _path(said)
    if not os.path.isdir(path):  # noqa: PTH112  a plain path, as everywhere
        raise ValueError(f"{path} is not a directory")
    return path


def _optional_path(said: Any) -> str:
    return _path(said) if said else ""


def _places(said: Any) -> list[str] | str:
    places = _separated(said)
    if places == [AUTO]:
        return AUTO
    for place in places:
        if place not in PLACES:
            raise ValueError(f"{place!r} should be one of {', '.join(PLACES)}; or give {AUTO} alone")
    return list(dict.fromkeys([PLACES[0], *places]))  # this machine is always one


def _ray_address(said: Any) -> str:
    address = _text(said).strip().rstrip("/")
    if address and not re.fullmatch(r"https?://[^\s/@]+(/[^\s]*)?", address):
        raise ValueError("give the address of the head's dashboard: http://head:8265")
    return address


def _control(said: Any) -> str:
    if said not in ("srun", "tcp"):
        raise ValueError("give srun or tcp")
    return said


def _project(said: Any) -> str:
    return project_named(_text(said))


def _shell(said: Any) -> str:
    if not _text(said).strip():
        return shell_for_commands(os.environ)
    words = shlex.split(said)
    path = Path(words[0])
    if not path.is_absolute() or not path.is_file() or not os.access(path, os.X_OK):
        raise ValueError(f"{words[0]!r} is not the absolute path of an executable")
    return shlex.join(words)


def _login_env(said: Any) -> str:
    if said not in ("auto", "always", "never"):
        raise ValueError("give auto, always or never")
    return said


def _words(words: tuple[str, ...]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _about(
    read: _Read, default: str | None, description: str, *, shown: Callable[[Any], str] | None = None
) -> dict[str, Any]:
    """Return what there is to know about a setting.

    Args:
        read: makes its value.
        default: what is read where nothing is given; ``None`` is taken as it is.
        description: what it is for, in Markdown: the reference of settings is made of it.
        shown: what may be shown of the value of a secret one; without it, that it is set.
    """
    return {"read": read, "default": default, "description": description, "shown": shown}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings. Each is read from ``MCP_BG_`` and its name in capitals."""

    prefix: ClassVar = "MCP_BG_"
    ignores_empty: ClassVar = False

    state_dir: str = field(
        metadata=_about(
            _state_dir,
            "",
            "where jobs are kept; without it `$XDG_STATE_HOME/mcp-background-job`, or below `~/.local/state`",
        )
    )
    max_jobs: int = field(metadata=_about(_whole(1, 10_000), "10", "jobs running at once; more are queued"))
    max_output_size: int = field(
        metadata=_about(
            _size(4096), "64MB", "log kept per job, in bytes or as `20MB`; the oldest output is dropped beyond"
        )
    )
    job_timeout: float | None = field(
        metadata=_about(_time_limit, None, "time limit in seconds for jobs that are started without one")
    )
    cleanup_interval: float = field(metadata=_about(_at_least(10), "3600", "seconds between two removals of old jobs"))
    keep_days: float = field(metadata=_about(_positive, "14", "days for which ended jobs are kept"))
    working_dir: str = field(
        metadata=_about(
            _directory, ".", "working directory of jobs that are started without one; relative to the server's own"
        )
    )
    allowed_commands: list[str] = field(
        metadata=_about(
            _patterns,
            "",
            "regular expressions, separated by commas; a command must match one of them from its start; "
            "without them all commands are allowed; a guard rail against accidents, not a sandbox",
        )
    )
    project: str = field(
        metadata=_about(
            _project,
            "",
            "project that jobs belong to, a directory or a name; without it, that of the working directory",
        )
    )
    shell: str = field(
        metadata=_about(
            _shell,
            "",
            "shell that runs commands with `-c`, and its arguments; without it your shell if it is bash or zsh, "
            "else bash, else sh",
        )
    )
    login_env: Literal["auto", "always", "never"] = field(
        metadata=_about(
            _login_env,
            "auto",
            "whether jobs get the variables of your login shell too: `always`, `never`, or `auto`: if the client "
            "passed only a few variables to the server",
        )
    )
    toolsets: list[Toolset] | Literal["auto"] = field(
        metadata=_about(
            _toolsets,
            AUTO,
            f"tools that the MCP server offers: of {_words(TOOLSETS)}, separated by commas; `all`; "
            "or `auto`: jobs, and those for ComfyUI and for runs if there is a use for them",
        )
    )
    assume_consent: list[Matter] = field(
        metadata=_about(
            _matters,
            "",
            "actions that you agree to beforehand, so that nobody asks you: "
            f"of {_words(MATTERS)}, separated by commas, or `all`",
        )
    )
    max_runs: int = field(metadata=_about(_whole(1, 10_000), "4", "agents running at once; more are queued"))
    max_descendants: int = field(
        metadata=_about(
            _whole(0, 10_000), "8", "jobs and runs that may be alive at once within one job or run; more are refused"
        )
    )
    max_depth: int = field(metadata=_about(_whole(0, 100), "4", "how many levels deep jobs and runs may start others"))
    run_env: list[str] = field(
        metadata=_about(
            _separated,
            "",
            "variables, or patterns with `*`, separated by commas, that agents get beyond the usual ones",
        )
    )
    on_end: str = field(
        metadata=_about(
            _text,
            "",
            "command that is run at the end of each job, run, batch and render, with its facts in its environment",
        )
    )
    places: list[str] | Literal["auto"] = field(
        metadata=_about(
            _places,
            AUTO,
            f"where jobs can run: of {_words(PLACES)}, separated by commas; `auto`: also on Slurm if `sbatch` is on "
            "the PATH, and on Ray if its address is set",
        )
    )
    slurm_dir: str = field(
        metadata=_about(
            _optional_path,
            "",
            "directory for jobs on Slurm, which all nodes must share; without it `slurm` in the state directory",
        )
    )
    slurm_options: str = field(
        metadata=_about(_text, "", "options for all jobs on Slurm, unless a job gives others: `account=lab time=4h`")
    )
    slurm_python: str = field(metadata=_about(_text, "python3", "Python on the nodes, 3.9 or newer"))
    slurm_poll_s: float = field(
        metadata=_about(_at_least(1), "15", "least number of seconds between two queries to Slurm")
    )
    slurm_control: Literal["srun", "tcp"] = field(
        metadata=_about(
            _control, "srun", "connection to jobs on nodes: `srun`, or `tcp`: a port on the node, with a secret"
        )
    )
    ray_address: str = field(metadata=_about(_ray_address, "", "dashboard of a Ray cluster's head: `http://head:8265`"))
    ray_token: str | None = field(
        repr=False, metadata=_about(_token, None, "token that the head was started with, as `RAY_AUTH_TOKEN`")
    )
    ray_dir: str = field(
        metadata=_about(
            _optional_path, "", "directory for jobs on Ray, on this machine; without it `ray` in the state directory"
        )
    )
    ray_options: str = field(
        metadata=_about(_text, "", "options for all jobs on Ray, unless a job gives others: `cpus=4`")
    )
    http_token: str | None = field(
        repr=False,
        metadata=_about(_token, None, "bearer token of `serve --http`; without it, one is made and stored"),
    )


@dataclass(frozen=True, kw_only=True)
class ComfyUISettings:
    """Where ComfyUI is and how it is run. Each is read from ``COMFYUI_`` and its name in capitals."""

    prefix: ClassVar = "COMFYUI_"
    ignores_empty: ClassVar = True

    url: str | None = field(
        repr=False,
        metadata=_about(
            _text,
            None,
            "URL of ComfyUI, instead of host and port; a login in it is sent, but never shown",
            shown=shown_url,
        ),
    )
    urls: list[str] = field(
        repr=False,
        metadata=_about(
            _urls,
            "",
            "URLs of several ComfyUIs that share batches, separated by commas or blanks",
            shown=lambda urls: " ".join(map(shown_url, urls)),
        ),
    )
    token: str | None = field(repr=False, metadata=_about(_token, None, "bearer token of a proxy in front of ComfyUI"))
    headers: dict[str, str] = field(
        repr=False,
        metadata=_about(
            _headers,
            "",
            "headers for that proxy, as a JSON object or as lines of `Name: value`; no job gets the token or these",
            shown=", ".join,
        ),
    )
    host: str = field(metadata=_about(_text, COMFYUI_HOST, "host that ComfyUI listens on"))
    port: int = field(metadata=_about(_whole(1, 65535), str(COMFYUI_PORT), "port that ComfyUI listens on"))
    dir: str | None = field(metadata=_about(_text, None, "directory of ComfyUI, with `main.py`, to start it from"))
    args: str = field(metadata=_about(_text, "", "arguments for `main.py` there, as for a shell: `--cpu`, `--lowvram`"))
    command: str | None = field(
        metadata=_about(
            _text,
            None,
            "command that starts ComfyUI, for the shell; it has `COMFYUI_HOST` and `COMFYUI_PORT` in its environment",
        )
    )
    restart_command: str | None = field(
        metadata=_about(_text, None, "command that restarts a ComfyUI under a service manager")
    )
    output_dir: str | None = field(
        metadata=_about(
            _path,
            None,
            "directory for downloaded outputs; without it the working directory, unless that is `/`",
        )
    )

    @property
    def names_a_server(self) -> bool:
        """Whether it is said where ComfyUI is, and that is not only where it is anyhow."""
        return bool(self.url or self.urls) or (self.host, self.port) != (COMFYUI_HOST, COMFYUI_PORT)


def variable_of(setting: str, kind: type[Settings | ComfyUISettings] = Settings) -> str:
    """Return the name of the environment variable that a setting is read from."""
    return f"{kind.prefix}{setting.upper()}"


def given(kind: type[Settings | ComfyUISettings]) -> dict[str, str]:
    """Return what the environment says of settings, by variable; names are read without regard to case."""
    ours = {key.upper(): value for key, value in os.environ.items() if key.upper().startswith(kind.prefix)}
    return {variable: value for variable, value in ours.items() if value or not kind.ignores_empty}


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


_Settings = TypeVar("_Settings", Settings, ComfyUISettings)


def _load(kind: type[_Settings], overrides: dict[str, Any]) -> _Settings:
    environment = given(kind)
    values: dict[str, Any] = {}
    for setting in fields(kind):
        variable = variable_of(setting.name, kind)
        value = overrides.get(setting.name, environment.get(variable, setting.metadata["default"]))
        try:
            values[setting.name] = None if value is None else setting.metadata["read"](value)
        except ValueError as error:
            raise ConfigError(f"{variable}{f'={value!r}' if setting.repr else ''}: {error}") from error
    return kind(**values)
