"""What runners share: a spawner that has been through the motions, and nothing that no runner uses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S

_ROOT = str(Path(__file__).parent.parent.parent)

#: For reading source code, and for servers; a runner has other things to do.
_HEAVY = ("ast", "asyncio", "dis", "logging", "subprocess", "tokenize", "traceback", "inspect.Signature")

_REHEARSE = """
import gc, os, sys
sys.path.insert(0, sys.argv[1])
from mcp_background_job.runner import rehearsal, main
def mine():
    return {name for room in rehearsal._ROOMS for name in os.listdir(room) if f"-{os.getpid()}-" in name}
finished = []
finish = rehearsal.Supervisor.run
def run(supervisor):
    assert mine()
    finish(supervisor)
    finished.append(os.path.exists(supervisor._job.exit))
rehearsal.Supervisor.run = run
keep = os.open("/", os.O_RDONLY)
rehearsal.rehearse_all()
assert finished == [True] * rehearsal._ROUNDS, finished
main.let_go_of_all_but(keep)
descriptors = {name for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")}
assert descriptors == {"0", "1", "2", str(keep)}, descriptors
assert not mine()
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("alone")
"""


def _run(code: str) -> str:
    command = [sys.executable, "-I", "-S", "-c", code, _ROOT]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE_S).stdout


def test_a_runner_loads_nothing_that_it_does_not_use() -> None:
    loaded = _run(
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import mcp_background_job.runner.__main__\n"
        "inspect = sys.modules.get('inspect')\n"
        "print(*sys.modules, *(f'inspect.{name}' for name in vars(inspect)))"
    ).split()
    assert "mcp_background_job.runner.supervisor" in loaded
    assert not set(_HEAVY).intersection(loaded)


def test_who_needs_the_module_that_is_put_off_gets_it() -> None:
    assert (
        _run(
            "import sys; sys.path.insert(0, sys.argv[1])\n"
            "import mcp_background_job.runner, inspect\n"
            "print(inspect.signature(lambda a: 0))"
        )
        == "(a)\n"
    )


@pytest.mark.real_process
@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="counts descriptors in /proc")
def test_a_rehearsal_runs_its_jobs_and_leaves_nothing_behind() -> None:
    assert _run(_REHEARSE) == "alone\n"
