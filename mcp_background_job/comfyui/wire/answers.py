"""Reads ComfyUI's answers. Pure; any input becomes a value, or a ``ValueError`` that says what is odd.

The forms were measured on 0.3.64 and 0.33.0; ``tests/comfyui/recordings`` holds them.
"""

from __future__ import annotations

import json
import math
import re
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from mcp_background_job.comfyui.wire import node_outputs
from mcp_background_job.comfyui.wire.node_outputs import OutputFile, Shown
from mcp_background_job.core.comfyui.server_url import key_of
from mcp_background_job.core.comfyui.submission import End

_MS = 1000.0

#: An item of the queue is a list: number, prompt id, graph, extra data, outputs to execute.
_ITEM_LENGTH = 4


_CARETS = re.compile(r"\s*[~^]*\^[~^]*\s*")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def decode(text: str) -> Any:
    """Read JSON as ComfyUI writes it.

    ``NaN`` and infinities, which are not JSON, become their names. A lone surrogate, which stands for a byte of a file
    name in another encoding, becomes a question mark: our own answers could not contain it.

    Raises:
        ValueError: it is not JSON, or nested deeper than any answer.
    """
    try:
        content = json.loads(text, parse_constant=str)
        if _SURROGATE.search(text):
            content = json.loads(json.dumps(content, ensure_ascii=False).encode(errors="replace"))
    except RecursionError as error:
        raise ValueError("JSON that is nested too deep") from error
    return content


@dataclass(frozen=True)
class QueueItem:
    """A prompt in the queue.

    Attributes:
        number: its priority; lower ones come first.
        prompt_id: its id.
        graph: the workflow in API format.
        extra_data: the data that was sent with it.
        created_at: when it was submitted (seconds since the epoch), if the server says so.
    """

    number: float
    prompt_id: str
    graph: Mapping[str, Any]
    extra_data: Mapping[str, Any]
    created_at: float | None


@dataclass(frozen=True)
class Queue:
    """The running prompts, and the waiting ones in their order."""

    running: tuple[QueueItem, ...]
    pending: tuple[QueueItem, ...]

    def is_running(self, prompt_id: str) -> bool:
        """Tell whether this prompt runs."""
        return any(item.prompt_id == prompt_id for item in self.running)

    def position(self, prompt_id: str) -> int | None:
        """Return how many prompts run before this pending one; ``None`` if it does not wait."""
        ids = [item.prompt_id for item in self.pending]
        return ids.index(prompt_id) + len(self.running) if prompt_id in ids else None

    def find(self, prompt_id: str) -> QueueItem | None:
        """Return the prompt with this id, running or pending."""
        return next((item for item in (*self.running, *self.pending) if item.prompt_id == prompt_id), None)


@dataclass(frozen=True)
class Failure:
    """The exception that ended a prompt."""

    node_id: str
    node_type: str
    exception_type: str
    message: str
    traceback: tuple[str, ...]


@dataclass(frozen=True)
class Finished:
    """A prompt that is over, from the history; times are seconds since the epoch."""

    prompt_id: str
    end: End
    outputs: tuple[OutputFile, ...] = ()
    failure: Failure | None = None
    interrupted_at: str | None = None
    started_at: float | None = None
    ended_at: float | None = None
    #: The number of outputs that are only counted.
    unlisted: int = 0
    #: Outputs of nodes other than files.
    shown: tuple[Shown, ...] = ()
    #: Whether none of its outputs was newly made.
    is_from_cache: bool = False


@dataclass(frozen=True)
class Device:
    """A device of the server; memory in bytes."""

    name: str
    type: str
    vram_total: int
    vram_free: int


@dataclass(frozen=True)
class SystemStats:
    """The answer of ``/system_stats``; memory in bytes."""

    version: str
    python: str
    pytorch: str
    argv: tuple[str, ...]
    ram_total: int
    ram_free: int
    devices: tuple[Device, ...]


@dataclass(frozen=True)
class NodeError:
    """An error that validation found in a node."""

    node_id: str
    class_type: str
    kind: str
    message: str


@dataclass(frozen=True)
class Accepted:
    """The prompt is in the queue; ``node_errors`` concern branches that will silently not run."""

    prompt_id: str
    number: float | None
    node_errors: tuple[NodeError, ...]


@dataclass(frozen=True)
class Refused:
    """The prompt is not in the queue, with the reason; ``missing_node`` is a class that the server does not have."""

    message: str
    node_errors: tuple[NodeError, ...]
    missing_node: str = ""


@dataclass(frozen=True)
class LogEntry:
    """A line of the server's log, and the server's time for it."""

    at: str
    text: str


def queue_of(answer: Any) -> Queue:
    """Read ``GET /queue``."""
    body = _object(answer, "/queue")
    if "queue_running" not in body or "queue_pending" not in body:
        raise ValueError("/queue without queue_running and queue_pending")
    pending = _items(body["queue_pending"])
    # The server sends its heap in memory order, which is not the order of execution.
    return Queue(tuple(_items(body["queue_running"])), tuple(sorted(pending, key=lambda i: (i.number, i.prompt_id))))


def _items(answer: Any) -> list[QueueItem]:
    if not isinstance(answer, list):
        raise ValueError(f"a queue that is not a list: {_shown(answer)}")  # noqa: TRY004  what is odd is data
    return [_item(item) for item in cast("list[Any]", answer)]


def _item(answer: Any) -> QueueItem:
    item = cast("list[Any]", answer)
    if not isinstance(answer, list) or len(item) < _ITEM_LENGTH:
        raise ValueError(f"an item of the queue that is invalid: {_shown(answer)}")
    extra = _mapping(item[3])
    return QueueItem(
        number=_number(item[0]) or 0.0,
        prompt_id=str(item[1]),
        graph=_mapping(item[2]),
        extra_data=extra,
        created_at=_seconds(extra.get("create_time")),
    )


def finished_of(answer: Any, prompt_id: str) -> Finished | None:
    """Read ``GET /history/{id}``; ``None`` if the prompt is not in the history."""
    entry = _object(answer, "/history").get(prompt_id)
    return None if entry is None else _finished(prompt_id, _object(entry, "an entry of the history"))


def submitted_of(answer: Any, prompt_id: str) -> QueueItem | None:
    """Read the submitted prompt from ``GET /history/{id}``; ``None`` if the prompt is not in the history."""
    entry = _object(answer, "/history").get(prompt_id)
    return None if entry is None else _item(_mapping(entry).get("prompt"))


def history_of(answer: Any) -> list[Finished]:
    """Read ``GET /history``, in its order: oldest first."""
    return [
        _finished(prompt_id, _object(entry, "an entry of the history"))
        for prompt_id, entry in _object(answer, "/history").items()
    ]


def history_of_jobs(answer: Any) -> list[Finished]:
    """Read the ended prompts from ``GET /api/jobs``, in its order; their outputs are only counted."""
    jobs = map(_mapping, _list(_object(answer, "/api/jobs").get("jobs")))
    return [finished for job in jobs if (finished := finished_of_job(job))]


def finished_of_job(answer: Any) -> Finished | None:
    """Read ``GET /api/jobs/{id}``; ``None`` while the prompt is not over."""
    body = _object(answer, "/api/jobs")
    ends = {"completed": End.COMPLETED, "failed": End.FAILED, "cancelled": End.CANCELLED}
    end = ends.get(str(body.get("status")))
    if end is None:
        return None
    error = body.get("execution_error")
    if end is End.FAILED and not error:  # the first servers with this path (0.8) report interrupted prompts so
        end = End.CANCELLED
    made = node_outputs.read(body.get("outputs"))
    return Finished(
        prompt_id=str(body.get("id")),
        end=end,
        outputs=made.outputs,
        failure=_failure(_mapping(error)) if error and end is End.FAILED else None,
        interrupted_at=str(_mapping(error).get("node_id")) if error and end is End.CANCELLED else None,
        started_at=_seconds(body.get("execution_start_time")),
        ended_at=_seconds(body.get("execution_end_time")),
        unlisted=0 if "outputs" in body else int(_number(body.get("outputs_count")) or 0),
        shown=made.shown,
    )


def _finished(prompt_id: str, entry: Mapping[str, Any]) -> Finished:
    status = _mapping(entry.get("status"))
    messages = dict(_messages(status.get("messages")))
    moments = [moment for _, data in messages.items() if (moment := _seconds(data.get("timestamp"))) is not None]
    interrupted = messages.get("execution_interrupted")
    error = messages.get("execution_error")
    # Oddly, the status of an interrupted prompt is an error; only the message distinguishes the two.
    end = End.COMPLETED if status.get("status_str") == "success" else End.CANCELLED if interrupted else End.FAILED
    made = node_outputs.read(entry.get("outputs"))
    return Finished(
        prompt_id=prompt_id,
        end=end,
        outputs=made.outputs,
        failure=_failure(error or {}) if end is End.FAILED else None,
        interrupted_at=str(interrupted.get("node_id")) if interrupted else None,
        started_at=_seconds(messages.get("execution_start", {}).get("timestamp")),
        ended_at=max(moments) if moments else None,
        shown=made.shown,
        is_from_cache=end is End.COMPLETED and _is_from_cache(entry, messages.get("execution_cached", {})),
    )


def _is_from_cache(entry: Mapping[str, Any], cached: Mapping[str, Any]) -> bool:
    item = _list(entry.get("prompt"))
    targets = {str(node_id) for node_id in _list(item[_ITEM_LENGTH])} if len(item) > _ITEM_LENGTH else set[str]()
    return bool(targets) and targets <= {str(node_id) for node_id in _list(cached.get("nodes"))}


def _messages(answer: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for message in _list(answer):
        parts = _list(message)
        if len(parts) > 1:
            yield str(parts[0]), _mapping(parts[1])


def _failure(data: Mapping[str, Any]) -> Failure:
    return Failure(
        node_id=str(data.get("node_id", "")),
        node_type=str(data.get("node_type", "")),
        exception_type=str(data.get("exception_type", "unknown")),
        message=str(data.get("exception_message", "the server gives no reason")).strip(),
        traceback=tuple(_without_carets(str(entry)) for entry in _list(data.get("traceback"))),
    )


def _without_carets(entry: str) -> str:
    """Return an entry of a traceback without its lines that mark a place in the line above, a third of it."""
    return "".join(line for line in entry.splitlines(keepends=True) if not _CARETS.fullmatch(line))


def accepted_of(answer: Any) -> Accepted:
    """Read the 200 of ``POST /prompt``."""
    body = _object(answer, "/prompt")
    if not body.get("prompt_id"):
        raise ValueError("/prompt answered without a prompt_id")
    return Accepted(str(body["prompt_id"]), _number(body.get("number")), node_errors_of(body.get("node_errors")))


def refused_of(answer: Any) -> Refused:
    """Read the 400 of ``POST /prompt``."""
    body = _object(answer, "/prompt")
    error = body.get("error")
    if not isinstance(error, Mapping):
        return Refused(str(error or "the server gives no reason"), node_errors_of(body.get("node_errors")))
    facts = _mapping(cast("Any", error))
    message = ": ".join(str(facts[key]) for key in ("message", "details") if facts.get(key))
    # Newer servers quote the title that somebody gave to the node.
    missing = _mapping(facts.get("extra_info")).get("class_type") if facts.get("type") == "missing_node_type" else None
    if missing and f"'{missing}'" not in message:
        message += f" (its class is {missing})"
    return Refused(message, node_errors_of(body.get("node_errors")), str(missing or ""))


def node_errors_of(answer: Any) -> tuple[NodeError, ...]:
    """Read ``node_errors``; it may be an empty list instead of an empty object."""
    return tuple(
        NodeError(node_id, str(facts.get("class_type", "")), str(error.get("type", "")), _told(error))
        for node_id, node in _mapping(answer).items()
        for facts in [_mapping(node)]
        for error in map(_mapping, _list(facts.get("errors")))
    )


def _told(error: Mapping[str, Any]) -> str:
    message = ": ".join(str(error[key]) for key in ("message", "details") if error.get(key))
    extra = _mapping(error.get("extra_info"))
    if "received_value" in extra and str(extra["received_value"]) not in message:
        message += f" (got {_shown(extra['received_value'])})"
    return message


def stats_of(answer: Any) -> SystemStats:
    """Read ``GET /system_stats``."""
    body = _object(answer, "/system_stats")
    system = body.get("system")
    if not isinstance(system, Mapping) or "devices" not in body:
        raise ValueError("/system_stats without system and devices")
    facts = _mapping(cast("Any", system))
    return SystemStats(
        version=str(facts.get("comfyui_version", "unknown")),
        python=str(facts.get("python_version", "")).split(" ")[0],
        pytorch=str(facts.get("pytorch_version", "")),
        argv=tuple(str(part) for part in _list(facts.get("argv"))),
        ram_total=int(_number(facts.get("ram_total")) or 0),
        ram_free=int(_number(facts.get("ram_free")) or 0),
        devices=tuple(_device(_mapping(device)) for device in _list(body["devices"])),
    )


def _device(facts: Mapping[str, Any]) -> Device:
    return Device(
        name=str(facts.get("name", "")),
        type=str(facts.get("type", "")),
        vram_total=int(_number(facts.get("vram_total")) or 0),
        vram_free=int(_number(facts.get("vram_free")) or 0),
    )


def names_of(answer: Any, what: str) -> list[str]:
    """Read a list of names, such as ``GET /models``."""
    if not isinstance(answer, list):
        raise ValueError(f"{what} that is not a list: {_shown(answer)}")  # noqa: TRY004  what is odd is data
    return [str(name) for name in cast("list[Any]", answer)]


def behind_api_v2(text: str) -> str:
    """Read ``GET /api/v2/health`` of a proxy for Comfy API v2; returns the URL behind it, without a login.

    That proxy has no other path of ComfyUI. Empty if the text is anything else.
    """
    try:
        facts = _mapping(decode(text))
    except ValueError:
        return ""
    upstream = facts.get("upstream")
    return key_of(upstream) if isinstance(upstream, str) and upstream.startswith("http") else ""


def log_of(answer: Any) -> list[LogEntry]:
    """Read ``GET /internal/logs/raw``."""
    return [
        LogEntry(str(facts.get("t", "")), str(facts.get("m", "")))
        for facts in map(_mapping, _list(_object(answer, "/internal/logs/raw").get("entries")))
    ]


def _object(answer: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(answer, dict):
        raise ValueError(f"{what} that is not a JSON object: {_shown(answer)}")  # noqa: TRY004  what is odd is data
    return cast("dict[str, Any]", answer)


def _mapping(answer: Any) -> Mapping[str, Any]:
    return cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}


def _list(answer: Any) -> list[Any]:
    return cast("list[Any]", answer) if isinstance(answer, list) else []


def _shown(answer: Any) -> str:
    return reprlib.repr(answer)[:80]  # unlike repr it stops at some depth


def _number(answer: Any) -> float | None:
    if isinstance(answer, bool) or not isinstance(answer, int | float):
        return None
    return float(answer) if abs(answer) < 2**53 and math.isfinite(answer) else None


def _seconds(answer: Any) -> float | None:
    moment = _number(answer)
    return None if moment is None else moment / _MS
