"""What users install: built, installed into an empty environment, and used from there."""

from __future__ import annotations

import asyncio
import os
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from release.driving import drive
from release.uv import ROOT, run, uv

_PACKAGE = "mcp_background_job"
_SCRIPT = "mcp-background-job"


@dataclass(frozen=True)
class Built:
    """What a release has to give."""

    wheel: Path
    sdist: Path


def main() -> None:
    """Build both, and try them with the pinned versions.

    Raises:
        SystemExit: something is missing in them, or does not work.
    """
    with tempfile.TemporaryDirectory(prefix="wheel-") as directory:
        built = build(Path(directory) / "dist")
        try_out(built, Path(directory), "--constraints", str(ROOT / "requirements.lock"))


def build(into: Path) -> Built:
    """Build the sdist, and the wheel from that.

    Raises:
        SystemExit: they cannot be built, or the wheel has other files than the package.
    """
    uv("build", "--quiet", "--out-dir", into)
    (wheel,), (sdist,) = into.glob("*.whl"), into.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith(f"{_PACKAGE}/")}
    tracked = set(run(["git", "ls-files", _PACKAGE], cwd=ROOT).split())
    if packed != tracked:
        raise SystemExit(f"{wheel.name} and git differ by {sorted(packed ^ tracked)}")
    return Built(wheel, sdist)


def try_out(built: Built, directory: Path, *options: str) -> None:
    """Use the wheel as users do: from an environment of its own, by its command line and by a client; and through uvx.

    Args:
        built: What is tried.
        directory: One that is empty or not there, for the environment and for what is left behind.
        options: What chooses the versions of what it needs, as uv has it.

    Raises:
        SystemExit: something does not work.
    """
    environment = directory / "environment"
    uv("venv", "--quiet", environment)
    uv("pip", "install", "--quiet", "--python", environment, *options, built.wheel)
    home = directory / "home"
    home.mkdir(parents=True)
    environ = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "MCP_BG_STATE_DIR": str(home / "state"),
    }
    script = str(environment / "bin" / _SCRIPT)
    version = run([script, "--version"], cwd=home, environ=environ).strip()
    if f"-{version}-" not in built.wheel.name:
        raise SystemExit(f"{built.wheel.name} says of itself that it is {version}")
    asyncio.run(drive([script], environ, home, version))
    run([script, "run", "--follow", "--", "echo", "told"], cwd=home, environ=environ)
    by_uvx = uv("tool", "run", "--quiet", *options, "--from", built.wheel, _SCRIPT, "--version").strip()
    if by_uvx != version:
        raise SystemExit(f"uvx --from {built.wheel.name} ran {by_uvx}")
    print(f"{built.wheel.name}: installed, driven by a client over stdio, and run by uvx --from")


if __name__ == "__main__":
    main()
