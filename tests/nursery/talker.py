"""``python talker.py SERVER_ARGV…``: a client of MCP with a process of its own, which runs hooks as clients do.

It takes orders from its stdin, one line of JSON each, and answers each with one: ``{"call": TOOL, "with": {…}}`` calls
a tool; ``{"hook": COMMAND, "says": TEXT}`` runs a command with a shell, and its answer comes when that is over.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench.client import ServerProcess, facts_of


def main(server_argv: list[str]) -> None:
    """Carry out orders until stdin ends."""
    with ServerProcess(server_argv, dict(os.environ)) as server:
        server.initialize("talker")
        for line in sys.stdin:
            print(json.dumps(_obeyed(server, json.loads(line))), flush=True)  # noqa: T201


def _obeyed(server: ServerProcess, order: dict[str, Any]) -> dict[str, Any]:
    if "call" in order:
        return facts_of(server.call(order["call"], **order["with"]))
    done = subprocess.run(  # noqa: S602  as clients run them
        order["hook"], shell=True, input=order["says"].encode(), capture_output=True, check=False
    )
    return {"code": done.returncode, "out": done.stdout.decode(), "err": done.stderr.decode()}


if __name__ == "__main__":
    main(sys.argv[1:])
