"""The pinned versions and the ranges, resolved anew: ``make check-lock``."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from release.uv import ROOT, uv

LOCK = ROOT / "requirements.lock"


def main() -> None:
    """Check that the lock is what the ranges give, and that both ends of the ranges can be installed.

    Raises:
        SystemExit: the lock is stale, or no versions fit the ranges.
    """
    if sys.argv[1:] == ["--write"]:
        resolve(LOCK, "--upgrade")
        return
    with tempfile.TemporaryDirectory() as directory:
        fresh = Path(directory) / LOCK.name
        shutil.copy(LOCK, fresh)  # uv keeps the versions that it finds there
        resolve(fresh)
        if told := difference(LOCK.read_text(), fresh.read_text()):
            raise SystemExit("requirements.lock does not fit pyproject.toml; make lock writes it anew:\n" + told)
    newest = uv(*_RESOLVE, "--upgrade")
    uv(*_RESOLVE, "--resolution", "lowest-direct")
    print("requirements.lock fits pyproject.toml, and both ends of its ranges resolve")
    if told := difference(LOCK.read_text(), newest):
        print("the registry has newer versions within the ranges:\n" + told)


_RESOLVE = [
    "pip", "compile", "pyproject.toml", "--group", "dev", "--universal", "--no-header", "--no-annotate", "--quiet",
]  # fmt: skip


def resolve(lock: Path, *options: str) -> None:
    """Write the versions that fit to a file; those that stand there are kept where they do."""
    uv(*_RESOLVE, "--output-file", lock, *options)


def difference(old: str, new: str) -> str:
    """Return the packages of which two locks say something else, one a line."""
    before, after = _pins(old), _pins(new)
    return "\n".join(
        f"  {name}: {before.get(name, 'none')} -> {after.get(name, 'none')}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    )


def _pins(lock: str) -> dict[str, str]:
    lines = (line.partition("==") for line in lock.splitlines() if "==" in line.partition(";")[0])
    return {name: version for name, _, version in lines}


if __name__ == "__main__":
    main()
