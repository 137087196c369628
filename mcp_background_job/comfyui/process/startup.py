"""The command that runs ComfyUI, from the settings or from an earlier process. Pure but for looks at paths."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mcp_background_job.comfyui.process.supervision import Launch
from mcp_background_job.comfyui.wire.endpoint import Endpoint
from mcp_background_job.core.text import expanded
from mcp_background_job.errors import LifecycleError

#: The places of a ComfyUI's own Python, from its manual and its installers.
_PYTHONS = (".venv/bin/python", "venv/bin/python", "env/bin/python", "python_embeded/bin/python")


@dataclass(frozen=True)
class Settings:
    """The settings for running ComfyUI.

    Attributes:
        directory: a checkout of ComfyUI, with ``main.py``.
        arguments: further arguments, in shell syntax.
        command: a shell command that replaces the one for the directory.
        restart_command: a shell command that restarts a ComfyUI which somebody else supervises.
    """

    directory: str | None = None
    arguments: str = ""
    command: str | None = None
    restart_command: str | None = None


@dataclass(frozen=True)
class Startup:
    """A command that becomes ComfyUI.

    Attributes:
        command: for the shell.
        cwd: the working directory.
        environment: the whole environment; ``None`` for a job's usual one.
        variables: further variables.
    """

    command: str
    cwd: str | None = None
    environment: Mapping[str, str] | None = None
    variables: Mapping[str, str] = field(default_factory=dict[str, str])


def startup_of_launch(launch: Launch) -> Startup:
    """Return the command that runs an earlier process again."""
    return Startup(f"exec {shlex.join(launch.argv)}", launch.cwd, launch.environ)


def startup_of_settings(settings: Settings, endpoint: Endpoint) -> Startup | None:
    """Return the command from the settings; ``None`` if they have none.

    Raises:
        LifecycleError: ``COMFYUI_DIR`` is not a directory of ComfyUI, or ``COMFYUI_ARGS`` is malformed.
    """
    if settings.command:
        # The command itself names the port, and may name another than the one that is meant.
        place = {"COMFYUI_HOST": endpoint.host, "COMFYUI_PORT": str(endpoint.port)}
        directory = _checked(settings.directory) if settings.directory else None
        return Startup(settings.command, directory, variables=place)
    if not settings.directory:
        return None
    directory = _checked(settings.directory)
    if not (Path(directory) / "main.py").is_file():
        raise LifecycleError(f"COMFYUI_DIR={directory} has no main.py: name the directory of a ComfyUI checkout")
    argv = [_python(Path(directory)), "main.py", "--port", str(endpoint.port)]
    if endpoint.host not in ("127.0.0.1", "localhost"):
        argv += ["--listen", endpoint.host]
    argv += _split(settings.arguments)
    return Startup(f"exec {shlex.join(argv)}", directory)


def _split(arguments: str) -> list[str]:
    try:
        return shlex.split(arguments)
    except ValueError as error:
        raise LifecycleError(f"COMFYUI_ARGS={arguments!r}: {error}") from error


def _checked(directory: str) -> str:
    path = Path(expanded(directory)).absolute()
    if not path.is_dir():
        raise LifecycleError(f"COMFYUI_DIR={directory} is not a directory")
    return str(path)


def _python(directory: Path) -> str:
    for name in _PYTHONS:
        if (directory / name).is_file():
            return str(directory / name)
    return sys.executable if _has_torch() else "python3"


def _has_torch() -> bool:
    from importlib.util import find_spec  # noqa: PLC0415  needed once in a session

    return find_spec("torch") is not None


def looks_like_comfyui(argv: list[str], cwd: str | None) -> bool:
    """Tell whether a silent process is likely a ComfyUI, so that it may be ended."""
    if not argv or "python" not in Path(argv[0]).name.lower():
        return False  # for example a tunnel to a machine of that name
    if any("comfyui" in part.lower() for part in argv):
        return True
    if not cwd or not any(Path(part).name == "main.py" for part in argv):
        return False
    directory = next(Path(cwd, part).parent for part in argv if Path(part).name == "main.py")
    return "comfyui" in str(directory).lower() or (directory / "comfy").is_dir()


def is_run_as(told: Sequence[str], argv: Sequence[str]) -> bool:
    """Tell whether a process was started with the arguments that a server reports; unknown arguments match.

    A process that passes requests on to a server elsewhere (a tunnel, a proxy) was not.
    """
    if not told or not argv:
        return True
    options = list(told[1:])
    # Some nodes remove the options from the server's report; the name of its script stays.
    return Path(told[0]).name in {Path(part).name for part in argv} or (
        bool(options) and list(argv[-len(options) :]) == options
    )
