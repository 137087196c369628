"""The report for the page of ComfyUI: numbers and moments, which the page puts into words and keeps up to date."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from mcp_background_job.comfyui.batches.batch_view import BatchView
from mcp_background_job.comfyui.batches.server_queue import PausedQueue
from mcp_background_job.comfyui.lifecycle.carry_over import UNSEEN, Luggage, Requeue, told
from mcp_background_job.comfyui.lifecycle.outcome import Outcome
from mcp_background_job.comfyui.outputs.pictures import reference_of
from mcp_background_job.comfyui.prompts.catalogue import Row
from mcp_background_job.comfyui.prompts.node_names import NodeName, name_of
from mcp_background_job.comfyui.prompts.prompts import Prompt
from mcp_background_job.comfyui.reports import report
from mcp_background_job.comfyui.reports.report import Report, without_none
from mcp_background_job.comfyui.reports.status import Status
from mcp_background_job.comfyui.sessions.sessions import SessionRow
from mcp_background_job.comfyui.wire.endpoint import job_named
from mcp_background_job.comfyui.wire.node_outputs import Made, OutputFile
from mcp_background_job.comfyui.wire.nodes import Live
from mcp_background_job.core.comfyui.batch import Counts
from mcp_background_job.core.comfyui.submission import Submission
from mcp_background_job.core.states import State
from mcp_background_job.core.text import one_line

#: The most waiting prompts, and nodes of a graph, that are listed one by one.
_MAX_PENDING = 200
_MAX_NODES = 300

#: The most files and texts of one prompt that are listed one by one.
_MAX_MADE = 60

#: Characters of a text that a node shows.
_SHOWN = 2000

_NAME = 200

#: The most prompts that a question names.
_MAX_STAKES = 5

#: Said of a prompt that a restart has ended and that will be submitted again.
_AGAIN = "It is submitted again as soon as ComfyUI answers."

#: The option for previews; by default a server sends none.
_PREVIEWS = "--preview-method"


def of_queue(
    status: Status, queue: PausedQueue, batches: Sequence[BatchView], members: Sequence[Status] = ()
) -> Report:
    """Return a server with its queue and its batches, and those of several that can be restarted."""
    known = report.of_status(status)
    starting = _starting(status)
    said = ("reachable", "why", "version", "job")
    return {name: known[name] for name in said if name in known} | without_none(
        url=status.url,
        starting=starting,
        alerts=_alerts(known, is_starting=starting is not None),
        held=_held(known, status),
        runs_here=status.process is not None,
        servers=[one.url for one in members or [status] if one.process is not None or job_named(one.url)],
        paused=queue.is_paused,
        waiting=queue.waiting,
        running=[_queued(prompt) for prompt in status.running],
        pending=[_queued(prompt) for prompt in status.pending[:_MAX_PENDING]],
        more_pending=max(0, len(status.pending) - _MAX_PENDING),
        batches=[_batch(view, status) for view in batches],
    )


def _starting(status: Status) -> str | None:
    """Return the id of the job that is about to become the server, if any: nothing is wrong yet."""
    job = status.job
    is_quiet = status.stats is None and status.process is None
    return job.job_id if is_quiet and job is not None and job.state is not State.EXITED else None


def _alerts(known: Report, *, is_starting: bool) -> list[str]:
    """Return what a person should know about a server, in sentences."""
    unknown: list[str] = []
    if not known["reachable"] and not is_starting:
        open_ones = f"Without an end when it last answered: {len(known.get('unfinished_prompts', []))}."
        unknown = [known["detail"], f"It may be running prompts that cannot be seen. {open_ones}"]
    return [*unknown, *filter(None, [known.get("crash")]), *known.get("warnings", [])]


def _held(known: Report, status: Status) -> list[str]:
    """Return the memory use of a server and how it runs, in lines that stay the same as long as nothing happens."""
    lines = list(known.get("vram", []))
    if "ram" in known:
        lines.append(f"RAM: {known['ram']}")
    holders = known.get("gpu_memory", [])
    lines += [holders] if isinstance(holders, str) else holders
    if process := known.get("process"):
        assert status.process is not None  # noqa: S101  for the type checker: it was told of
        since = datetime.fromtimestamp(status.process.started_at).strftime("%Y-%m-%d %H:%M")  # noqa: DTZ006  a person's
        state = f", {process['state']}" if "state" in process else ""
        lines.append(f"process {process['pid']} since {since}{state}: {process['started_by']}")
    if status.stats and not _sends_previews(status.stats.argv):
        lines.append(f"It sends no previews: start it with {_PREVIEWS} auto")
    return lines


def _sends_previews(argv: Sequence[str]) -> bool:
    """Tell whether a server sends previews, from its arguments."""
    chosen = "none"
    for place, argument in enumerate(argv):
        name, is_joined, value = argument.partition("=")
        if name == _PREVIEWS:
            chosen = value if is_joined else "".join(argv[place + 1 : place + 2])
    return chosen not in ("", "none")


def _queued(prompt: Prompt) -> Report:
    submission = prompt.submission
    return without_none(
        prompt_id=prompt.prompt_id,
        **_of_submission(submission),
        server=prompt.server or None,
        position=prompt.position,
        submitted_at=prompt.submitted_at,
        nodes=prompt.nodes,
        progress=report.progress_of(prompt).get("progress"),
    )


def _of_submission(submission: Submission | None) -> Report:
    if submission is None:
        return {}
    return without_none(
        note=submission.note or None,
        client=(submission.client or None) if submission.is_ours else None,
        batch_id=submission.batch_id,
        place=submission.position,
    )


def _batch(view: BatchView, status: Status) -> Report:
    """Return a batch; its prompts that wait in ComfyUI's queue count as pending, like those not sent."""
    batch, counts = view.batch, view.counts
    waits = sum(_is_of(prompt, batch.batch_id) for prompt in status.pending)
    counts = replace(counts, pending=counts.pending + waits, running=max(0, counts.running - waits))
    pending = f", {counts.pending} pending" if counts.pending else ""
    return without_none(
        batch_id=batch.batch_id,
        status=str(view.status),
        note=batch.note or None,
        client=batch.client or None,
        over=counts.ended,
        total=counts.total,
        told=f"{counts.in_words}{pending}",
        acts=_acts_on(view, counts),
        created_at=batch.created_at,
        is_over=batch.ended_at is not None,
        trouble=view.trouble or batch.trouble or None,
    )


def _acts_on(view: BatchView, counts: Counts) -> list[str]:
    """Return the possible actions on a batch, in the words of the action's argument."""
    batch = view.batch
    goes_on = bool(counts.may_run) and not batch.cancel_requested
    acts: list[str] = []
    if goes_on:
        acts += ["resume" if batch.is_paused else "pause", "cancel"]
    if counts.running:
        acts.append("interrupt")
    if counts.failed and not batch.cancel_requested:
        acts.append("retry_failed")
    return acts


def _is_of(prompt: Prompt, batch_id: str) -> bool:
    return prompt.submission is not None and prompt.submission.batch_id == batch_id


def of_live(live: Live | None, names: Mapping[str, NodeName]) -> Report:
    """Return the progress of each node of a prompt: those that have begun first, then the others."""
    known = live or Live()
    ids = dict.fromkeys([*known.cached, *known.nodes, *names])
    return {
        "heard": live is not None,
        "done": sum(node.is_done for node in known.nodes.values()) + len(set(known.cached) - set(known.nodes)),
        "total": len(ids),
        "nodes": [_node(node_id, known, names) for node_id in list(ids)[:_MAX_NODES]],
    }


def _node(node_id: str, live: Live, names: Mapping[str, NodeName]) -> Report:
    node = live.nodes.get(node_id)
    if node is None:
        state = "cached" if node_id in live.cached else "waiting"
    else:
        state = "done" if node.is_done else "running"
    steps = {"step": node.step, "steps": node.steps} if node and state == "running" and node.steps > 1 else {}
    return {"id": node_id, **_named(names, node_id), "state": state, **steps}


def _named(names: Mapping[str, NodeName], node_id: str) -> Report:
    name = name_of(names, node_id)
    return without_none(name=name.told or None, kind=name.kind if name.title else None)


def of_row(row: Row, made: Made, names: Mapping[str, NodeName]) -> Report:
    """Return a finished prompt with its outputs."""
    prompt, began, at = row.prompt, row.began, row.at
    return without_none(
        prompt_id=prompt.prompt_id,
        status=prompt.status,
        **_of_submission(prompt.submission),
        ended_at=at,
        duration_s=round(at - began, 2) if at is not None and began is not None else None,
        cause=_AGAIN if comes_again(prompt) else row.cause or prompt.reason or None,
        **of_made(made, names),
    )


def comes_again(prompt: Prompt) -> bool:
    """Tell whether a prompt that a restart has ended will be submitted again."""
    return prompt.status == "lost_to_restart" and prompt.submission is not None and prompt.submission.requeue


def of_made(made: Made, names: Mapping[str, NodeName]) -> Report:
    """Return files and texts, each with the name of its node."""
    more = len(made.outputs) + len(made.shown) - 2 * _MAX_MADE
    return without_none(
        outputs=[_file(file, names) for file in made.outputs[:_MAX_MADE]] or None,
        shown=[
            {"node": one.node_id, **_named(names, one.node_id), "text": one.text[:_SHOWN], "length": one.length}
            for one in made.shown[:_MAX_MADE]
        ]
        or None,
        more_made=more if more > 0 else None,
    )


def _file(file: OutputFile, names: Mapping[str, NodeName]) -> Report:
    return {
        "ref": reference_of(file),
        "file": one_line("/".join(filter(None, [file.subfolder, file.filename])), _NAME),
        "type": file.type,
        "node": file.node_id,
        **_named(names, file.node_id),
    }


def of_detail(prompt: Prompt, names: Mapping[str, NodeName], advice: str) -> Report:
    """Return everything that is known of a prompt."""
    known = report.of_prompt(prompt)
    made = Made(prompt.finished.outputs, prompt.finished.shown) if prompt.finished else prompt.so_far
    if failure := prompt.finished.failure if prompt.finished else None:
        known["error"] |= {"node_id": failure.node_id, **_named(names, failure.node_id)}
    left_out = ("outputs", "shown", "more_shown")
    facts = {name: value for name, value in known.items() if name not in left_out}
    return facts | _of_submission(prompt.submission) | of_made(made, names) | without_none(advice=advice or None)


def of_sessions(rows: Iterable[SessionRow]) -> list[Report]:
    """Return sessions to choose from."""
    return [
        without_none(
            session_id=row.session.session_id,
            name=row.session.name,
            prompts=row.prompts,
            downloaded=row.downloaded,
            current=row.is_current or None,
            directory=row.session.directory if row.is_elsewhere else None,
        )
        for row in rows
    ]


def of_stake(luggage: Luggage, requeue: Requeue, url: str) -> Report:
    """Return the question to a person before a restart, and the ids of the prompts that would be lost."""
    carried = {"none": (), "pending": luggage.pending, "all": luggage.all}[requeue]
    lost = [entry for entry in luggage.all if entry not in carried]
    parts = [
        f"Restart ComfyUI at {url}? It is killed with all that it has started, and run again as it was run.",
        f"Lost: {_called(lost)}." if lost else "No prompt that is known is lost.",
        f"Submitted again: {_called(carried)}." if carried else "",
        f"Cut off, and run again by their batches: {_called(luggage.of_batches)}." if luggage.of_batches else "",
        f"Cut off with their cancelled batches: {_called(luggage.cancelled)}." if luggage.cancelled else "",
        f"{told(luggage)}." if luggage.is_guess else "",
    ]
    unseen = [UNSEEN] if luggage.is_unseen else []
    return {"question": " ".join(filter(None, parts)), "lost": [*(entry.prompt_id for entry in lost), *unseen]}


def _called(entries: Sequence[Submission]) -> str:
    shown = ", ".join(f"“{entry.note or entry.prompt_id[:8]}”" for entry in entries[:_MAX_STAKES])
    return f"{shown} and {len(entries) - _MAX_STAKES} more" if len(entries) > _MAX_STAKES else shown


def of_restart(outcome: Outcome) -> Report:
    """Return the outcome of a restart, in one sentence."""
    known = report.of_lifecycle(outcome)
    counted = {"submitted again": outcome.requeued, "not taken again": outcome.requeue_refused, "lost": outcome.lost}
    parts = [f"ComfyUI: {outcome.status.replace('_', ' ')} after {outcome.took_s:.1f} s"]
    parts += [f"prompts {what}: {len(which)}" for what, which in counted.items() if which]
    return known | {"told": "; ".join(filter(None, [*parts, outcome.detail]))}
