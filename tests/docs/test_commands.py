"""What the documents show in a block of ``sh`` is run as it stands there. Blocks of ``console`` are only looked at."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cli.command_line import CommandLine
from tests.comfyui.talk import submit
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.documents, pytest.mark.real_process]

ROOT = Path(__file__).parent.parent.parent

#: Commands that are shown with what they exit with when all goes well, if that is not 0.
OTHER_CODES = {
    "run --name both --follow": 3,
}

#: A page shows up to twenty commands, each of which is a process.
_PAGE_S = 4 * PATIENCE_S

#: Told on a descriptor of its own, so that what the commands print stays as it is.
_TRAP = "trap 'echo \"$? $BASH_COMMAND\" >&3' ERR"


def _blocks(page: Path) -> str:
    return "\n".join(re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL))


PAGES = [page for page in sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")]) if _blocks(page)]


@pytest.fixture
def command_line(tmp_path: Path) -> Generator[CommandLine]:
    line = CommandLine(tmp_path)
    yield line
    line.tidy_up()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_shows_works(page: Path, command_line: CommandLine, tmp_path: Path) -> None:
    script = _blocks(page)
    work = tmp_path / "work"
    work.mkdir()
    (work / "test_shop.py").write_text("import unittest\nclass T(unittest.TestCase):\n    def test(self): pass\n")
    environment = command_line.environment | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TMPDIR": str(tmp_path),
    }
    with ExitStack() as stack, (tmp_path / "failures").open("w+") as failures:
        if " comfyui " in script:
            simulator = stack.enter_context(Simulator.start(anew=True))
            submit(simulator, graphs.stepped(1000, 0.2))
            environment["COMFYUI_PORT"] = str(simulator.port)
            stack.callback(subprocess.run, command_line.argv("comfyui", "stop", "--force"), env=environment, check=True)
        done = subprocess.run(
            ["/bin/bash", "-c", f"exec 3>&{failures.fileno()}\n{_TRAP}\n{script}"],
            cwd=work,
            env=environment,
            pass_fds=[failures.fileno()],
            capture_output=True,
            text=True,
            timeout=_PAGE_S,
            check=False,
        )
        failures.seek(0)
        told = [line for line in failures.read().splitlines() if not _is_meant(line)]
    assert not told, (told, done.stdout, done.stderr)


def _is_meant(failure: str) -> bool:
    code, _, command = failure.partition(" ")
    return any(shown in command and int(code) == expected for shown, expected in OTHER_CODES.items())
