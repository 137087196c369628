"""Processes that a node leaves behind, and how a test finds them again."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.patience import HELPER_LIFE_S

#: The longest that a child lives, whatever goes wrong.
CHILD_LIFE_S = HELPER_LIFE_S

#: The variable that names the file of the children's pids. It also marks a process as a child of a simulator.
CHILDREN_VARIABLE = "SIMULATOR_CHILDREN"

_CODE = """\
import signal, sys
signal.alarm(int(sys.argv[1]))
if sys.argv[2] == "True":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    signal.pause()
"""


def spawn(*, ignore_sigterm: bool, new_session: bool, seconds: float) -> int:
    """Start a child that sleeps and holds the log open; nobody waits for its end."""
    life = str(max(1, min(CHILD_LIFE_S, round(seconds))))
    command = [sys.executable, "-I", "-S", "-c", _CODE, life, str(ignore_sigterm)]
    child = subprocess.Popen(command, start_new_session=new_session)
    if CHILDREN_VARIABLE in os.environ:
        with Path(os.environ[CHILDREN_VARIABLE]).open("a") as file:
            file.write(f"{child.pid}\n")
    return child.pid


def kill_all(registered: Path) -> None:
    """Kill the children whose pids a file holds, unless their pids belong to other processes by now."""
    if not registered.exists():
        return
    for pid in map(int, registered.read_text().split()):
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            if os.fsencode(f"{CHILDREN_VARIABLE}={registered}") in environment.split(b"\0"):
                os.kill(pid, signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
