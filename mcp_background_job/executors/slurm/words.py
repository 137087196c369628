"""Words about a Slurm job: its id and node, why it waits, and the last words of its log after a failure."""

from __future__ import annotations

import os

from mcp_background_job.core.states import Outcome
from mcp_background_job.core.text import counted, end_of
from mcp_background_job.executors.slurm import states
from mcp_background_job.jobdir.layout import JobDir

#: Slurm's reasons in plain words; others are shown as they are.
_REASONS = {
    "None": "it was just submitted",
    "Resources": "what it asks for is in use",
    "Priority": "other jobs come first",
    "Dependency": "it starts behind other jobs",
    "BeginTime": "its begin time has not come",
    "JobHeldUser": "it is held, by its user",
    "JobHeldAdmin": "it is held, by an administrator",
    "PartitionTimeLimit": "it asks for more time than its partition gives",
    "PartitionNodeLimit": "it asks for more nodes than its partition has",
    "PartitionDown": "its partition is down",
    "PartitionInactive": "its partition is inactive",
    "PartitionConfig": "it asks for more than its partition has, so it never starts",
    "BadConstraints": "no node has what it asks for, so it never starts",
    "InvalidAccount": "its account is not valid",
    "InvalidQOS": "its qos is not valid",
    "NodeDown": "a node that it asks for is down",
    "Nodes_required_for_job_are_DOWN": "the nodes that it asks for are down, drained or reserved",
    "ReqNodeNotAvail": "the nodes that it asks for are not available",
    "Reservation": "its reservation has not begun",
    "Licenses": "the licenses that it asks for are in use",
}

#: Reasons that begin so are of many kinds, one for each limit that a site can set.
_LIMITS = ("Assoc", "QOS")

#: Bytes at the end of Slurm's log that are searched for the error, and characters of it that are shown.
_TAIL = 4096
_TOLD = 400

#: The beginning of our own script's error messages.
_OURS = "mcp-background-job: "


def engine(native_id: str, node: str, gpus: int) -> str:
    """Return Slurm's id of a job, and where it runs."""
    where = f" on {node}" if node else ""
    what = f", {counted(gpus, 'GPU')}" if gpus else ""
    return f"Slurm {native_id}{where}{what}" if native_id else "Slurm"


def note(word: str | None, reason: str, *, is_claimed: bool, is_confirmed: bool) -> str | None:
    """Return the relevant remark of Slurm on a live job, ``None`` if there is none."""
    if word in states.PENDING and not is_claimed:
        return f"waits in Slurm: {in_words(reason)}"
    if word == states.SUSPENDED:
        return "Slurm has suspended it: until it is resumed there, its runner answers nobody, and only a kill works"
    return None if is_confirmed else "Slurm has not confirmed that it has the job; it is submitted again if it has not"


def failure(job: JobDir, outcome: Outcome, why: str, native_id: str, nodes: str) -> str:
    """Return why a job ended whose runner has not reported it: Slurm's word, and the end of Slurm's log."""
    told = f"Slurm job {native_id or 'of this job'}{f' on {nodes}' if nodes else ''}: {why}"
    if outcome is not Outcome.FAILED:
        return told
    text = _log(job)
    if text is None:
        there = f"{job.path}: if that directory is not shared with {nodes or 'its node'}"
        return f"{told}; it has left no log in {there}, set MCP_BG_SLURM_DIR to one that all nodes share"
    ours = [line for line in text.splitlines() if line.startswith(_OURS)]
    if ours:
        return ours[-1].removeprefix(_OURS)
    return f"{told}; its log says: {end_of(' '.join(text.split()), _TOLD)}" if text.strip() else told


def in_words(reason: str) -> str:
    """Return Slurm's reason in plain words, followed by Slurm's own."""
    name = reason.partition(",")[0].strip("()")
    words = _REASONS.get(name) or ("it is held by a limit of its account or qos" if name.startswith(_LIMITS) else "")
    return f"{words} ({reason})" if words else reason or "it gives no reason"


def _log(job: JobDir) -> str | None:
    try:
        with open(f"{job.path}/engine.log", "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - _TAIL))
            return file.read(_TAIL).decode(errors="replace")
    except OSError:
        return None
