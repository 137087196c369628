"""The report on ComfyUI, for tools and the terminal: small flat objects; fields without a value are left out."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

from mcp_background_job.comfyui.batches.batch_view import BatchView
from mcp_background_job.comfyui.lifecycle.carry_over import SUBMIT_AGAIN
from mcp_background_job.comfyui.lifecycle.outcome import Outcome
from mcp_background_job.comfyui.process.process import ServerProcess
from mcp_background_job.comfyui.prompts.cancel import Cancelled
from mcp_background_job.comfyui.prompts.cancel_plan import Verdict
from mcp_background_job.comfyui.prompts.freeing import Freed
from mcp_background_job.comfyui.prompts.graphs.asked import texts_in
from mcp_background_job.comfyui.prompts.graphs.workflow import Workflow
from mcp_background_job.comfyui.prompts.prompts import Prompt
from mcp_background_job.comfyui.prompts.submit import Submitted
from mcp_background_job.comfyui.prompts.wedge import Wedge
from mcp_background_job.comfyui.reports.status import Status
from mcp_background_job.comfyui.wire.answers import Failure, Finished, NodeError, SystemStats
from mcp_background_job.comfyui.wire.endpoint import job_named
from mcp_background_job.comfyui.wire.node_outputs import Made, Shown
from mcp_background_job.comfyui.wire.progress import Progress
from mcp_background_job.core.comfyui.batch import spoken
from mcp_background_job.core.job import Job, ending
from mcp_background_job.core.states import State
from mcp_background_job.core.text import duration, iso, one_line
from mcp_background_job.processes.threads import Activity

#: The most prompts of a queue that are listed one by one.
_MAX_LISTED = 20

#: Lines of a traceback: the last ones name the node's own code.
_TRACEBACK_LINES = 12

#: Characters of an error's message; OutOfMemory adds a longer text about settings.
_MESSAGE = 1000

#: The most errors of nodes that are listed.
_MAX_NODE_ERRORS = 20

#: Characters of a text that a node shows; a caption is shorter, and a story can be downloaded.
_SHOWN = 1000

_FROM_CACHE = "all of it: no node ran, and the files are those of an earlier prompt; force=true runs it again"

#: The most processes with GPU memory; the largest are reported.
_MAX_HOLDERS = 10

#: Characters of the command line of such a process.
_COMMAND = 80

_GB = 1024**3

Report = dict[str, Any]


def of_status(status: Status) -> Report:
    """Return the present state of a server."""
    job = status.job
    process = _process(status.process, status.activity, job) if status.process else None
    if status.trouble is not None or status.stats is None:
        trouble = status.trouble
        return without_none(
            reachable=False,
            why=trouble.trouble if trouble else None,
            detail=str(trouble),
            warnings=list(status.warnings) or None,
            queue="unknown while it gives no answer; prompts may wait there",
            process=process,
            gpu_memory=_gpu_memory(status),
            job=_without_port(job) if job and process is None else None,
            batches=[_batch(view) for view in status.batches] or None,
            crash=status.crash or None,
            unfinished_prompts=[entry.prompt_id for entry in status.unfinished[:_MAX_LISTED]] or None,
        )
    more = len(status.pending) - _MAX_LISTED
    return without_none(
        reachable=True,
        url=status.url,
        warnings=list(status.warnings) or None,
        version=status.stats.version,
        running=[_queued(prompt, status.at) for prompt in status.running],
        pending=[_queued(prompt, status.at) for prompt in status.pending[:_MAX_LISTED]],
        more_pending=more if more > 0 else None,
        batches=[_batch(view) for view in status.batches] or None,
        crash=status.crash or None,
        job=status.job.label if status.job and job_named(status.url) else None,
        **_memory(status.stats),
        gpu_memory=_gpu_memory(status),
        process=process,
    )


def of_statuses(statuses: Sequence[Status]) -> Report:
    """Return the present state of servers: a single one as it is, several with all their prompts in one list."""
    first, *others = statuses
    if not others:
        return of_status(first)
    servers = [_of_several(status) for status in statuses]
    more = sum(len(status.pending) for status in statuses) - _MAX_LISTED
    pending = [_queued(prompt, status.at) for status in statuses for prompt in status.pending]
    return without_none(
        reachable=any(server["reachable"] for server in servers),
        servers=servers,
        running=[_queued(prompt, status.at) for status in statuses for prompt in status.running],
        pending=sorted(pending, key=lambda row: row.get("position", 0))[:_MAX_LISTED],
        more_pending=more if more > 0 else None,
        batches=[_batch(view) for view in first.batches] or None,
    )


def _of_several(status: Status) -> Report:
    """Return the state of one of several servers, without its prompts, which are in the common list."""
    known = of_status(status)
    for name in ("batches", "running", "pending", "more_pending"):
        known.pop(name, None)
    if not known["reachable"]:
        return {"url": status.url, **known}
    return {"url": status.url, **known, "running": len(status.running), "pending": len(status.pending)}


def _batch(view: BatchView) -> str:
    return f"{view.batch.batch_id} {spoken(view.status)}: {view.counts.in_words} (comfyui_batch)"


def _without_port(job: Job) -> str:
    """Describe the job that is, or was, ComfyUI while nothing listens on its port."""
    if job.state is not State.EXITED:
        return f"{job.label} runs and does not listen yet: it is starting (wait_for_job, tail_job_output)"
    return f"ComfyUI ran as {ending(job)}"


def _memory(stats: SystemStats) -> dict[str, Any]:
    vram = [
        f"{device.name}: {device.vram_free / _GB:.1f} of {device.vram_total / _GB:.1f} GB free"
        for device in stats.devices
        if device.type != "cpu"
    ]
    return {"vram": vram or None, "ram": f"{stats.ram_free / _GB:.1f} of {stats.ram_total / _GB:.1f} GB free"}


def _gpu_memory(status: Status) -> list[str] | str | None:
    known = status.gpu_memory
    if known.trouble:
        return known.trouble
    ours = status.process.pid if status.process else None
    return [
        f"{holder.size / _GB:.1f} GB: pid {holder.pid}"
        + (" (ComfyUI)" if holder.pid == ours else f" ({one_line(holder.command, _COMMAND)})" if holder.command else "")
        for holder in known.holders[:_MAX_HOLDERS]
    ] or None


def _process(process: ServerProcess, activity: Activity | None, job: Job | None) -> dict[str, Any]:
    portrait = process.portrait
    facts = {
        "pid": process.pid,
        "uptime": duration(time.time() - process.started_at),
        "cpu_s": round(activity.cpu_s, 1) if activity and activity.threads else None,
        "state": "stopped by a signal" if activity and activity.state in ("T", "t") else None,
        "job_id": job.job_id if job else None,
        "started_by": f"job {job.label}" if job else _starter(portrait.uid, portrait.user, portrait.argv),
    }
    return {key: value for key, value in facts.items() if value is not None}


def _starter(uid: int | None, user: str | None, argv: list[str]) -> str:
    who = "you, without this program" if uid == os.getuid() else f"user {user}"
    return f"{who}: {one_line(' '.join(argv), 200)}"


def _queued(prompt: Prompt, now: float) -> dict[str, Any]:
    submission = prompt.submission
    facts: dict[str, Any] = {
        "prompt_id": prompt.prompt_id,
        "note": (submission.note or None) if submission else None,
        "server": prompt.server or None,
        "position": prompt.position,
        "age": duration(now - prompt.submitted_at) if prompt.submitted_at else None,
        **progress_of(prompt),
    }
    return {key: value for key, value in facts.items() if value is not None}


def progress_of(prompt: Prompt) -> dict[str, Any]:
    """Return the progress of a prompt in words, and the source of that."""
    heard = prompt.progress
    if heard is None:
        return {}
    return {"progress": _told(heard, prompt), "progress_from": heard.source}


def _told(heard: Progress, prompt: Prompt) -> str:
    parts: list[str] = []
    if heard.node_id:
        parts.append(f"node {heard.node_id}" + (f" {prompt.node_class}" if prompt.node_class else ""))
    if heard.steps > 1:
        parts.append(f"step {heard.step:g}/{heard.steps:g} ({heard.percent} %)")
    if heard.source == "websocket" and prompt.nodes:
        parts.append(f"{min(heard.cached + heard.finished, prompt.nodes)} of {prompt.nodes} nodes done")
    return ", ".join(parts) or "started, and no node has reported a step"


def of_prompt(prompt: Prompt) -> Report:
    """Return the known facts about a prompt."""
    submission = prompt.submission
    return without_none(
        prompt_id=prompt.prompt_id,
        status=prompt.status,
        reason=prompt.reason or None,
        note=(submission.note or None) if submission else None,
        position=prompt.position,
        submitted_at=iso(prompt.submitted_at),
        **progress_of(prompt),
        **(_finished(prompt.finished) if prompt.finished else _made(prompt.so_far)),
    )


def of_asked(workflow: Workflow, *, show: str) -> Report:
    """Return the request of a prompt: its workflow, or only the texts in it that people have written."""
    if show == "workflow":
        return {"workflow": dict(workflow.graph)}
    return {"texts": texts_in(workflow.graph)}


def _finished(finished: Finished) -> dict[str, Any]:
    failure = finished.failure
    began, ended = finished.started_at, finished.ended_at
    facts: dict[str, Any] = {
        "started_at": iso(began),
        "ended_at": iso(ended),
        "duration_s": round(ended - began, 2) if began is not None and ended is not None else None,
        "interrupted_at_node": finished.interrupted_at,
        "from_cache": _FROM_CACHE if finished.is_from_cache else None,
        **_made(Made(finished.outputs, finished.shown)),
    }
    if failure:
        facts["error"] = error_of(failure)
    return facts


def _made(made: Made) -> dict[str, Any]:
    files = [
        {
            "node": file.node_id,
            "kind": file.kind,
            "file": "/".join(filter(None, [file.subfolder, file.filename])),
            "type": file.type,
        }
        for file in made.outputs
    ]
    shown = [_shown(one) for one in made.shown[:_MAX_LISTED]]
    more = len(made.shown) - len(shown)
    return {"outputs": files or None, "shown": shown or None, "more_shown": more if more > 0 else None}


def _shown(shown: Shown) -> dict[str, Any]:
    """Return the text that a node shows; for a long one, its beginning, and how to get the whole."""
    text = shown.text[:_SHOWN]
    cut = f"the first {_SHOWN:,} of {shown.length:,} characters"
    cut += "; comfyui_download writes the whole" if shown.is_text else ""
    return {"node": shown.node_id, "kind": shown.kind, "text": text} | ({"cut": cut} if text != shown.text else {})


def error_of(failure: Failure) -> Report:
    """Return the exception that ended a prompt."""
    return {
        "type": failure.exception_type,
        "message": one_line(failure.message, _MESSAGE),
        "node": f"{failure.node_id} {failure.node_type}".strip(),
        "traceback": [line.rstrip() for line in failure.traceback[-_TRACEBACK_LINES:]],
    }


def of_submission(submitted: Submitted) -> Report:
    """Return the result of a submission."""
    errors = node_errors_of(submitted.node_errors)
    if submitted.prompt is None:
        return without_none(
            status="refused", error=submitted.refused, node_errors=errors, note="nothing was put into the queue"
        )
    warning = "only a part of the graph runs: these nodes are invalid and left out" if errors else None
    return of_prompt(submitted.prompt) | without_none(number=submitted.number, warning=warning, node_errors=errors)


def of_conversion(workflows: Sequence[Workflow]) -> Report:
    """Return which workflows were in the editor's format."""
    nodes = [len(workflow.graph) for workflow in workflows if workflow.is_converted]
    if not nodes:
        return {}
    which = "the workflow" if len(workflows) == 1 else f"{len(nodes)} of {len(workflows)} workflows"
    return {"converted": f"{which} from the editor's format ({sum(nodes)} nodes); seeds are as saved"}


def node_errors_of(errors: tuple[NodeError, ...]) -> list[str] | None:
    """Return the errors that validation found in nodes, one per line."""
    lines = [f"node {error.node_id} {error.class_type}: {error.message}" for error in errors[:_MAX_NODE_ERRORS]]
    more = len(errors) - len(lines)
    return [*lines, f"and {more} more"] if more > 0 else lines or None


#: The next step for each verdict.
_ADVICE = {
    Verdict.FINISHED: "it finished by itself; its outputs are there",
    Verdict.FAILED: "it failed by itself; see error",
    Verdict.RUNNING: "it runs already and was left alone: comfyui_cancel_job stops it",
    Verdict.PENDING: "the server keeps it in its queue despite every request",
    Verdict.NOTHING_RUNNING: "no prompt runs",
}
_WEDGE_ADVICE = {
    Wedge.BUSY_STEP: "the interrupt did not stop its step, which works, or waits for something that may still come. It "
    'may end by itself: look again with comfyui_job("ID"). The interrupt takes effect at the next node. Freeing memory '
    "waits for it too",
    Wedge.IDLE_HANG: "its step waits for a lock that nothing will release: it will not end",
    Wedge.WORKER_DEAD: "the thread that runs prompts is dead: nothing will ever run there again",
    Wedge.HTTP_DEAD: "requests are not answered; no HTTP call can reach it",
}
_RESTART = 'restart_comfyui(force=true, requeue="pending")'

#: What can be done about a ComfyUI that can only be restarted where it is.
_RESTART_THERE = (
    "It is on another machine ({host}) and cannot be restarted from here: restart it there, as it was started. That "
    f"empties its queue; {SUBMIT_AGAIN}"
)


def _advice(cancelled: Cancelled) -> str | None:
    """Return what to do next."""
    if cancelled.wedge:
        why = _WEDGE_ADVICE[cancelled.wedge].replace("ID", str(cancelled.prompt_id))
        return f"{why}. {way_out(cancelled)}"
    if cancelled.verdict is Verdict.SERVER_DIED:
        gone = "the server is gone, and its queue with it"
        if cancelled.far_host:
            return f"{gone}. {_RESTART_THERE.format(host=cancelled.far_host)}"
        return f'{gone}: restart_comfyui(requeue="pending") starts it, and submits again what waited'
    return _ADVICE.get(cancelled.verdict)


def way_out(cancelled: Cancelled) -> str:
    """Return in a sentence what ends a prompt that resists every interrupt."""
    if cancelled.far_host:
        return _RESTART_THERE.format(host=cancelled.far_host)
    if cancelled.suspended_pid is not None:
        go_on = f"kill -CONT {cancelled.suspended_pid} lets it go on, and loses nothing"
        return f"The process is stopped by a signal: {go_on}. If it still hangs then, {_RESTART} ends it"
    return f"Only {_RESTART} ends it for certain"


def of_cancel(cancelled: Cancelled) -> Report:
    """Return the result of a request to cancel."""
    wedge = cancelled.wedge
    advice = _advice(cancelled)
    finished = cancelled.finished
    return without_none(
        status=str(cancelled.verdict),
        prompt_id=cancelled.prompt_id,
        wedge=str(wedge) if wedge else None,
        evidence=list(cancelled.evidence) or None,
        advice=advice,
        detail=cancelled.detail or None,
        interrupts=cancelled.interrupts or None,
        took_s=round(cancelled.took_s, 1),
        dropped_pending=list(cancelled.dropped) or None,
        canceled_batches=list(cancelled.batches) or None,
        canceled_unsent=cancelled.unsent or None,
        not_dropped=list(cancelled.kept) or None,
        **(_finished(finished) if finished else {}),
    )


def of_lifecycle(outcome: Outcome) -> Report:
    """Return the outcome of a start, stop or restart."""
    return without_none(
        status=outcome.status,
        job_id=outcome.job_id,
        pid=outcome.pid,
        old_pid=outcome.old_pid,
        stopped_pids=list(outcome.stopped) or None,
        took_s=round(outcome.took_s, 1),
        requeued=outcome.requeued or None,
        not_requeued=outcome.requeue_refused or None,
        to_requeue=list(outcome.to_requeue) or None,
        lost_to_restart=list(outcome.lost) or None,
        begun_anew_by_batches=list(outcome.of_batches) or None,
        cancelled_with_batches=list(outcome.cancelled) or None,
        detail=outcome.detail or None,
        output=outcome.output or None,
    )


def of_freed(freed: Freed) -> Report:
    """Return the result of a request to free memory."""
    if freed.behind:
        detail = f"ComfyUI frees its memory when prompt {freed.behind} has ended, and not if that is stuck"
        return {"status": "noted", "detail": detail, **without_none(**_memory(freed.after))}
    before = _memory(freed.before)
    return {"status": "freed", "detail": "ComfyUI has unloaded models and cached results"} | without_none(
        **_memory(freed.after), vram_before=before["vram"], ram_before=before["ram"]
    )


def without_none(**facts: Any) -> Report:
    """Return the facts without those that have no value."""
    return {key: value for key, value in facts.items() if value is not None}
