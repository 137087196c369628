"""What the three lists show: their columns, in which window, and what stands in a cell. Pure."""

from __future__ import annotations

import os
import time

from mcp_background_job.cli.comfyui.words import since
from mcp_background_job.cli.top.columns import Column, Facts
from mcp_background_job.core.text import duration, size

# -- jobs --------------------------------------------------------------------------------------------------------------


def label_of(row: Facts) -> str:
    """Return how a sentence refers to a job."""
    return f"{row.get('job_id')} {row['name']}" if row.get("name") else str(row.get("job_id"))


def sentence_of(row: Facts) -> str:
    """Return what there is to say of a job, on one line."""
    began, ended = row.get("started_at"), row.get("ended_at")
    took = f" after {duration(ended - began)}" if began and ended else f" for {_age(row)}" if not ended else ""
    code = f", exit {row['exit_code']}" if row.get("exit_code") else ""
    note = f" ({row['note']})" if row.get("note") else ""
    where = f" in {row['project']}" if row.get("project") else ""
    return f"{label_of(row)} {row['status']}{code}{took}{note}: {row['command']}{where}"


def percent(processors: float | None) -> str:
    """Return how much is used of processors; two of them are 200 %."""
    return "" if processors is None else f"{processors * 100:.0f} %"


def load_of(machine: Facts) -> tuple[str, ...]:
    """Return how busy the machine is."""
    if not machine:
        return ()
    memory = f"mem {size(machine['memory_used'])} of {size(machine['memory'])}"
    return f"cpu {percent(machine['cpu'])}", f"load {machine['load']:.1f}", memory


def _age(row: Facts) -> str:
    return duration(time.time() - row["created_at"])


def _memory(row: Facts) -> str:
    return "" if row.get("memory") is None else size(row["memory"])


def _project(row: Facts) -> str:
    return os.path.basename(row.get("project") or "")  # noqa: PTH119  a name, not a file


def _said(row: Facts) -> str:
    """Return what is said of a job, and what it said last."""
    code = row.get("exit_code")
    parts = [f"exit {code}" if code else "", row.get("note") or "", row.get("line") or ""]
    return ": ".join(part for part in parts if part)


JOBS = (
    Column("STATUS", lambda row: str(row["status"]), 9, style=None),
    Column("JOB", lambda row: str(row["job_id"]), 6, from_width=80, style="bold"),
    Column("NAME", lambda row: str(row.get("name") or row["job_id"]), 10, grows=1, at_most=24),
    Column("PROJECT", _project, 10, grows=1, at_most=20, from_width=120, style="dim"),
    Column("AGE", _age, 6, is_right=True, style="dim"),
    Column("CPU", lambda row: percent(row.get("cpu")), 6, is_right=True),
    Column("MEM", _memory, 7, is_right=True),
    Column("COMMAND", lambda row: str(row["command"]), 16, grows=2, at_most=60, from_width=140, style="dim"),
    Column("LAST LINE", _said, 14, grows=4),
)

# -- prompts -----------------------------------------------------------------------------------------------------------

#: In what order prompts stand, by their status; all others behind these, newest first.
_PROMPT_ORDER = ("in_progress", "pending")


def prompt_rank(row: Facts) -> int:
    """Return where in a list of prompts one belongs."""
    return _PROMPT_ORDER.index(row["status"]) if row["status"] in _PROMPT_ORDER else len(_PROMPT_ORDER)


def _prompt_age(row: Facts) -> str:
    """Return since when a prompt waits or runs, or how long ago it ended."""
    return str(row["age"]) if "age" in row else duration(since(row["ended_at"])) if "ended_at" in row else ""


def _took(row: Facts) -> str:
    return duration(row["duration_s"]) if "duration_s" in row else ""


def _how(row: Facts) -> str:
    """Return how far a prompt is, or why it ended as it did."""
    told = row.get("progress") or row.get("cause") or row.get("reason")
    if told is None and "position" in row:
        return f"{row['position']} before it" if row["position"] else "the next"
    return str(told or "")


def _called(row: Facts) -> str:
    """Return what people call a prompt: its note, if it has one, and the begin of its id."""
    short = str(row["prompt_id"])[:8]
    return f"{row['note']} ({short})" if row.get("note") else str(row["prompt_id"])


def progress_of(live: Facts) -> str:
    """Return how far a prompt is that runs: its node, steps, and how many nodes are done; empty if nothing is heard."""
    runs: Facts | None = next((node for node in live["nodes"] if node["state"] == "running"), None)
    if not live["heard"] or runs is None:
        return ""
    steps = f", step {runs['step']:g}/{runs['steps']:g}" if runs.get("steps") else ""
    return f"{runs.get('name') or runs['id']}{steps}, {live['done']} of {live['total']} nodes done"


PROMPTS = (
    Column("STATUS", lambda row: str(row["status"]), 12, style=None),
    Column("PROMPT", _called, 9, grows=2, at_most=48, style="bold"),
    Column("SINCE", _prompt_age, 7, is_right=True, style="dim"),
    Column("TOOK", _took, 7, from_width=80, is_right=True, style="dim"),
    Column("FILES", lambda row: str(row.get("outputs", "")), 5, from_width=100, is_right=True, style="dim"),
    Column("HOW", _how, 8, grows=4),
)

# -- runs --------------------------------------------------------------------------------------------------------------

#: Statuses of runs that wait for an answer, and of those in which nothing is said any more.
RUN_ASKS = ("input_required", "auth_required")
RUN_OVER = ("completed", "failed", "cancelled", "rejected")


def run_rank(row: Facts) -> int:
    """Return where in a list of runs one belongs: those that ask come first."""
    return 0 if row["status"] in RUN_ASKS else 1 if row["status"] not in RUN_OVER else 2


def run_sentence(row: Facts) -> str:
    """Return what there is to say of a run, on one line."""
    result: Facts = row.get("result") or {}
    usage: Facts = result.get("usage") or {}
    used = ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in usage.items())
    said = row.get("note") or row.get("prompt") or row["summary"]
    told = f" ({used})" if used else ""
    return f"{row['run_id']} {row['agent_name']} ({row['backend']}) in {row['cwd']}: {said}{told}"


RUNS = (
    Column("STATUS", lambda row: str(row["status"]), 14, style=None),
    Column("AGENT", lambda row: str(row["agent_name"]), 10, grows=1, at_most=24, style="bold"),
    Column("RUN", lambda row: str(row["run_id"]), 14, from_width=100),
    Column("BACKEND", lambda row: str(row["backend"]), 12, from_width=100),
    Column("AGE", lambda row: duration(since(row["created_at"])), 7, is_right=True, style="dim"),
    Column("EVENTS", lambda row: str(row["last_seq"]), 6, from_width=120, is_right=True, style="dim"),
    Column("TASK", lambda row: str(row.get("prompt", "")), 10, grows=2, at_most=50, from_width=120),
    Column("SUMMARY", lambda row: str(row.get("error") or row["summary"]), 10, grows=3),
)
