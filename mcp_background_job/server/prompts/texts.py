"""The prompts: short texts that ask a model to use the tools well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

WHAT_RUNS = """\
What runs here? Look, and change nothing.
{looks}
Then tell me in a few lines, the most urgent first: what runs, for how long, and what it did last; what waits, and for
what; what failed, and why, in one sentence each. Say plainly what asks for an answer, is silent, or is "lost"."""

#: One look for each toolset.
LOOKS = {
    "jobs": '- list_jobs(status=["running","queued"]), then list_jobs(limit=10) for what ended lately. '
    "Of a job that seems stuck: get_job_status(job_id), tail_job_output(job_id, lines=20).",
    "comfyui": "- comfyui_status(): what it renders, what waits, its warnings.",
    "runs": "- list_runs(limit=10): other agents at work, and what they ask (pending_request).",
}

WHY_FAILED = """\
Why did {job} fail?
1. get_job_status(job_id="{job}"): status, exit code, signal, reason, note, memory. (Of a run, whose id begins with
   "r": get_run(run_id="{job}"), then poll_events(run_id="{job}", after_seq=N, wait_ms=0) near the end.)
2. tail_job_output(job_id="{job}", lines=100); if the cause is further up, with
   grep="error|fail|exception|traceback|killed|denied|not found", or get_job_output from a cursor before it.
3. "lost": its outcome is unknown. "timed_out": its limit. Killed by signal 9 and not by us: most likely out of memory.
Tell me the first error, not the last one that follows from it: quote its lines, name the cause, and say what you would
change. Start nothing again before I agree; then restart_job(job_id="{job}")."""

COMFYUI_STUCK = """\
ComfyUI seems stuck. Find out what is true, and take the mildest step that helps.
1. comfyui_status(): is it reachable, what runs and for how long, what do its warnings say? "unreachable" never means
   that nothing runs.
2. comfyui_job(prompt_id, wait_s=30) of the running prompt: does its progress move? Then it is slow: say so.
   comfyui_errors() tells why earlier prompts failed.
3. If it does not move: ask me, then comfyui_cancel_job(prompt_id) stops that prompt alone. The others stay queued.
4. If the answer is "wedged", no HTTP call can stop it: ask me again, and then restart_comfyui(force=true,
   requeue="pending"), which submits again what waits.
Tell me after each step what you saw, in a sentence."""


@dataclass(frozen=True)
class Text:
    """A prompt.

    Attributes:
        name: as it is called.
        about: a line for the person who picks one.
        toolset: the toolset that it needs.
        argument: the argument that it takes, if any, and its description.
    """

    name: str
    about: str
    toolset: str
    argument: tuple[str, str] | None = None


#: The argument that names a job.
JOB = "job"

TEXTS = (
    Text("what-runs", "What runs here: jobs, renders, other agents", "jobs"),
    Text("why-failed", "Why a job or run failed", "jobs", (JOB, "id or name of the job, or id of the run")),
    Text("comfyui-stuck", "Find out whether ComfyUI is stuck, and get it going", "comfyui"),
)


def written(name: str, arguments: Mapping[str, str], toolsets: list[str]) -> str:
    """Return what a prompt says, with what the tools that are offered can look at."""
    if name == "what-runs":
        return WHAT_RUNS.format(looks="\n".join(LOOKS[toolset] for toolset in LOOKS if toolset in toolsets))
    if name == "why-failed":
        return WHY_FAILED.format(job=arguments[JOB])
    return COMFYUI_STUCK
