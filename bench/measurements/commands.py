"""The cost of a command on the command line: the processor time of its process, as the kernel counts it."""

from __future__ import annotations

import os
import subprocess
import sys

from bench.figures import Figure, at_most, p50
from bench.plan import Plan

#: An agent runs many commands, and each of them is a process of its own.
_BAR_S = 0.20


def measure_commands(plan: Plan) -> list[Figure]:
    """Measure the processor time, user and system, of each command for jobs."""
    state = plan.workspace.state_dir()
    # As with a user's Python, compiled modules are kept, and the next command finds them again.
    env = {key: value for key, value in os.environ.items() if not key.startswith(("MCP_BG_", "PYTHON"))}
    # The machine may have Slurm, which most users have not: the measurements do without.
    env |= {"MCP_BG_STATE_DIR": state.path, "MCP_BG_WORKING_DIR": plan.workspace.path, "MCP_BG_PLACES": "local"}
    job = _run(env, "run", "--", "echo done")[1].strip()
    commands = {
        "run": ["run", "--", "true"],
        "list": ["list"],
        "status": ["status", job],
        "logs": ["logs", job],
        "wait": ["wait", job],
        "kill": ["kill", job],  # the job has ended
    }
    samples: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(plan.count(10, 3)):
        for name, arguments in commands.items():
            samples[name].append(_run(env, *arguments)[0])
    return [
        at_most(f"command line: `{name}`, processor time (n = {len(taken)})", p50(taken), "s", bar=_BAR_S)
        for name, taken in samples.items()
    ]


def _run(env: dict[str, str], *arguments: str) -> tuple[float, str]:
    """Run a command until it ends; returns the seconds that its process has used, and its output."""
    argv = [sys.executable, "-m", "mcp_background_job", *arguments]
    with subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        printed = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, (arguments, printed)
    return used.ru_utime + used.ru_stime, printed
