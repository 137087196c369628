"""Runs the tests that need a cluster, as whoever runs this and, if that is root, as an ordinary user as well.

They are those of this folder and of the contract of places. Both users run them at once, each with a Slurm of its own:
they wait most of the time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.cluster.slurm import Slurm, missing
from tests.nobody import NOBODY, PLACES, find_interpreter, python_as_nobody

_HERE = Path(__file__).parent
_SETTINGS = str(_HERE.parents[1] / "pyproject.toml")
# By the file, since tests of one file ask for the same of the cluster. Tests wait for Slurm most of the time.
_SHARED_OUT = ["-n", "3", "--dist", "loadfile", "--no-loadscope-reorder"]
_ARGUMENTS = ["-m", "cluster", "-p", "no:cacheprovider", "-c", _SETTINGS, *_SHARED_OUT]
_FOLDERS = [str(_HERE), str(_HERE.parent / "places")]

#: Pytest, in the interpreter that this is run by, with what that has been told of where the project is.
_PYTEST = "import sys\nsys.path[:0] = {path!r}\nimport pytest\nsys.exit(pytest.main(sys.argv[1:]))\n"

_AS_NOBODY = "from tests.cluster.__main__ import run\nsys.exit(run(sys.argv[1:]))\n"


def main() -> int:
    """Run both; returns an exit code that is 0 if both went well, or if there is no Slurm."""
    if packages := missing():
        _say(f"nothing is tested on a cluster: these packages are missing, and cannot be installed: {packages}")
        return 0
    with tempfile.TemporaryDirectory(prefix="nobody-", dir="/tmp") as home:
        as_nobody = _begin_as_nobody(home) if os.getuid() == 0 else None
        own = run(sys.argv[1:])
        if as_nobody is None:
            return own
        told, _ = as_nobody.communicate()
        _say(f"as an ordinary user:\n{told}")
        return own or as_nobody.returncode


def run(arguments: list[str]) -> int:
    """Start a Slurm, run the tests on it as this user, and end it; returns an exit code."""
    slurm = Slurm(apart="n3")
    try:
        slurm.start()
        argv = [sys.executable, "-c", _PYTEST.format(path=sys.path), *_ARGUMENTS, *_FOLDERS, *arguments]
        return subprocess.run(argv, env={**os.environ, "CLUSTER": str(slurm.directory)}, check=False).returncode
    finally:
        slurm.stop()


def _begin_as_nobody(home: str) -> subprocess.Popen[str] | None:
    interpreter = find_interpreter()
    if interpreter is None:
        _say("nothing is tested as an ordinary user: none can run the project here")
        return None
    os.chown(home, NOBODY, NOBODY)
    return subprocess.Popen(
        [*python_as_nobody(interpreter, _AS_NOBODY), *sys.argv[1:]],
        env={"HOME": home, "TMPDIR": home, "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(PLACES)},
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
