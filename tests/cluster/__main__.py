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

from tests.nobody import NOBODY, PLACES, find_interpreter, python_as_nobody

_HERE = Path(__file__).parent
_SETTINGS = str(_HERE.parents[1] / "pyproject.toml")
_ARGUMENTS = ["-m", "cluster", "-p", "no:cacheprovider", "-c", _SETTINGS, "--dist", "worksteal"]

#: What an ordinary user can do otherwise than root is in this folder.
_AS_US = ["-n", "3", str(_HERE), str(_HERE.parent / "places")]
_AS_NOBODY = ["-n", "2", str(_HERE)]

_RUN = "import pytest\nsys.exit(pytest.main(sys.argv[1:]))\n"


def main() -> int:
    """Run both; returns an exit code that is 0 if both went well."""
    environment = {**os.environ, "CLUSTER": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", *_ARGUMENTS, *_AS_US, *sys.argv[1:]], env=environment
    ) as own:
        as_nobody = _run_as_nobody() if os.getuid() == 0 else 0
        return own.wait() or as_nobody


def _run_as_nobody() -> int:
    interpreter = find_interpreter()
    if interpreter is None:
        print("nothing is tested as an ordinary user: none can run the project here", flush=True)  # noqa: T201
        return 0
    with tempfile.TemporaryDirectory(prefix="nobody-", dir="/tmp") as home:
        os.chown(home, NOBODY, NOBODY)
        done = subprocess.run(
            [*python_as_nobody(interpreter, _RUN), *_ARGUMENTS, *_AS_NOBODY, *sys.argv[1:]],
            env={
                "HOME": home,
                "TMPDIR": home,
                "PATH": os.environ["PATH"],
                "PYTHONPATH": os.pathsep.join(PLACES),
                "CLUSTER": "1",
            },
            cwd=home,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    print(f"as an ordinary user:\n{done.stdout}", flush=True)  # noqa: T201
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
