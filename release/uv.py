"""The one door to uv."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

#: What the Makefile installs.
_UV = ROOT / ".venv" / "uv" / "bin" / "uv"

#: It would download one otherwise where it likes none that it finds.
_THIS_PYTHON = {"UV_PYTHON": sys.executable, "UV_PYTHON_DOWNLOADS": "never"}

#: On a first run uv downloads some fifty packages; a registry that does not answer must not hold up CI.
_UV_S = 300


def uv(*arguments: str | Path) -> str:
    """Run uv in the checkout, and return what it printed.

    Raises:
        SystemExit: it failed.
    """
    return run([str(_UV), *map(str, arguments)], cwd=ROOT, environ={**os.environ, **_THIS_PYTHON})


def run(argv: list[str], *, cwd: Path, environ: dict[str, str] | None = None) -> str:
    """Run a command to its end, and return what it printed.

    Raises:
        SystemExit: it failed.
    """
    done = subprocess.run(
        argv, cwd=cwd, env=environ or dict(os.environ), capture_output=True, text=True, timeout=_UV_S, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)} exited with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout
