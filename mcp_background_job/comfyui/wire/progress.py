"""The progress of a prompt, from the frames of a websocket or from the server's log."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from mcp_background_job.comfyui.wire.answers import LogEntry, decode

#: A bar as tqdm draws it: ` 40%|████      | 4/10 [00:02<00:03,  2.00it/s]`.
_BAR = re.compile(r"(\d{1,3})%\|[^|]*\|\s*(\d+)/(\d+)")

#: The server's log lines at the begin or end of a prompt: a bar before them belongs to another prompt.
_BOUNDARY = re.compile(r"got prompt|Prompt executed|Processing interrupted|Exception during processing")


#: No bar has more steps; a larger or infinite value, or NaN, counts as none.
_LARGEST = 1e15


@dataclass(frozen=True)
class Progress:
    """The progress of a prompt.

    Attributes:
        source: ``websocket``, or ``log`` if it is guessed from the newest bar in the log.
        node_id: the running node.
        step: the step in that node, out of ``steps``.
        steps: its number of steps, if known.
        cached: the number of nodes whose results were cached.
        finished: the number of nodes that have run.
        moved_at: when it last moved, on a clock of the reader's choice.
    """

    source: str
    node_id: str = ""
    step: float = 0
    steps: float = 0
    cached: int = 0
    finished: int = 0
    moved_at: float = 0.0

    @property
    def percent(self) -> int | None:
        """The percentage of the running node that is done."""
        return round(100 * min(max(self.step, 0.0), self.steps) / self.steps) if self.steps > 0 else None


@dataclass(frozen=True)
class Frame:
    """The content of a frame; ``prompt_id`` is empty if it concerns all prompts."""

    type: str
    prompt_id: str
    data: Mapping[str, Any]


def frame_of(message: str | bytes) -> Frame | None:
    """Read a frame; ``None`` if it is a picture or malformed. Never raises."""
    if isinstance(message, bytes):
        return None
    try:
        body = decode(message)
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict) or not isinstance(body.get("type"), str):  # pyright: ignore[reportUnknownMemberType]
        return None
    content = cast("dict[str, Any]", body)
    data = content.get("data")
    facts = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
    return Frame(content["type"], str(facts.get("prompt_id") or ""), facts)


def is_final(frame: Frame) -> bool:
    """Tell whether the prompt is over and, unlike at ``execution_success``, certainly in the history."""
    return frame.type == "executing" and frame.data.get("node") is None


def remaining(frame: Frame) -> float | None:
    """Return how many prompts run and wait, if a frame says so."""
    status = _said(frame.data, "status")
    queue = _said(status, "exec_info") if isinstance(status, dict) else None
    count = _said(queue, "queue_remaining") if isinstance(queue, dict) else None
    return count if isinstance(count, int | float) else None


def after(progress: Progress | None, frame: Frame, at: float) -> Progress | None:
    """Return the progress of a prompt after a frame about it."""
    step = _STEPS.get(frame.type)
    if step is None or is_final(frame):
        return progress
    return replace(step(progress or Progress("websocket"), frame.data), moved_at=at)


def _after_start(_: Progress, __: Mapping[str, Any]) -> Progress:
    return Progress("websocket")


def _after_cached(known: Progress, data: Mapping[str, Any]) -> Progress:
    nodes = data.get("nodes")
    return replace(known, cached=len(cast("list[Any]", nodes)) if isinstance(nodes, list) else 0)


def _after_executing(known: Progress, data: Mapping[str, Any]) -> Progress:
    return replace(known, node_id=str(data.get("node")), step=0, steps=0)


def _after_progress(known: Progress, data: Mapping[str, Any]) -> Progress:
    step, steps = steps_of(data)
    return replace(known, node_id=str(data.get("node") or known.node_id), step=step, steps=steps)


def _after_state(known: Progress, data: Mapping[str, Any]) -> Progress:
    nodes = data.get("nodes")
    states = cast("dict[str, Any]", nodes) if isinstance(nodes, dict) else {}
    finished = sum(1 for node in states.values() if isinstance(node, dict) and _said(node, "state") == "finished")
    for node_id, node in states.items():
        if isinstance(node, dict) and _said(node, "state") == "running":
            step, steps = steps_of(cast("dict[str, Any]", node))
            return replace(known, node_id=node_id, step=step, steps=steps, finished=finished)
    return replace(known, finished=finished)


_STEPS: Mapping[str, Callable[[Progress, Mapping[str, Any]], Progress]] = {
    "execution_start": _after_start,
    "execution_cached": _after_cached,
    "executing": _after_executing,
    "progress": _after_progress,
    "progress_state": _after_state,
}


def _said(node: Any, key: str) -> Any:
    return cast("dict[str, Any]", node).get(key)


def steps_of(data: Mapping[str, Any]) -> tuple[float, float]:
    """Return a step and the number of steps; 0 for a value that is not a number."""
    return _number(data.get("value")), _number(data.get("max"))


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and abs(value) < _LARGEST else 0.0


def of_log(entries: list[LogEntry]) -> Progress | None:
    """Return the progress from the newest bar in the log, if no prompt began or ended since."""
    for entry in reversed(entries):
        bars = _BAR.findall(entry.text)
        if bars:
            _, step, steps = bars[-1]
            return Progress("log", step=_number(float(step)), steps=_number(float(steps)))
        if _BOUNDARY.search(entry.text):
            return None
    return None


def as_text(graph: Mapping[str, Any]) -> str:
    """Return a graph as the journal stores it."""
    return json.dumps(graph, ensure_ascii=False, separators=(",", ":"))
