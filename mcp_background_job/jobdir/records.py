"""The JSON records of a job: what was asked, what the runner publishes, how it ended.

Readers take records of older and newer releases: unknown fields are ignored, missing ones have a default where one is
possible. What does not fit is a ``CorruptRecordError`` that names the file and the field.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Iterable
from dataclasses import field, fields
from typing import Any, NamedTuple, TypeVar, cast

from mcp_background_job.core.states import Outcome, State, Word
from mcp_background_job.core.values import frozen
from mcp_background_job.errors import CorruptRecordError
from mcp_background_job.jobdir.layout import FORMAT, JobDir

#: A limit that is none.
NO_LIMIT = 1_000_000


@frozen
class Spec:
    """What was asked; written once.

    Attributes:
        job_id: its id, and the name of its directory.
        command: what the user typed.
        argv: what is executed: a shell and the command.
        cwd: working directory.
        env: the whole environment of the command.
        created_at: seconds since the epoch.
        cookie: a secret that only this job's processes carry in their environment.
        max_output: bytes of output and index kept on disk.
        max_jobs: how many jobs might run at once when this one was asked for.
        name: the user's name for it.
        stdin: ``closed``, ``pipe`` or ``pty``.
        timeout_s: time limit in seconds.
        after: ids of jobs that must complete before it starts.
        client: who asked, for telling them how it ended.
        restarted_from: id of the job that it repeats.
        idle_timeout_s: it is stopped when it has neither written nor been sent anything for so many seconds.
        leftovers: ``keep``, or ``kill``: what outlives the command itself is ended, and the command's end is the job's.
        stdin_file: its bytes are what the stdin begins with; with ``stdin`` = ``closed`` they are all of it.
        pools: names that it shares with other jobs, and how many jobs of each may run at once.
        large_pipes: its output has much room before it is moved, since it may exit without waiting until it is.
        parent: id of the job in whose process it was asked for.
        ancestors: that, the job in whose process the parent was asked for, and so on: with any of them it ends. Those
            that had ended by themselves when it was asked for are left out.
        max_descendants: how many jobs that were asked for within one and have not ended there might be then.
        max_depth: how many living ancestors a job might have then.
        project: directory or name of the project that it was asked for in, empty if there was none; ``None`` if
            release 1.0.0 recorded the job.
        reader: who is to be told of its end and of its questions.
        env_from: where ``env`` comes from, beside what was asked for with the job; empty if not known.
        attempts_file: where the command is started again when it fails: what is noted of its attempts.
        is_own: it is this program's own (ComfyUI, a feeder), and takes none of the places that ``max_jobs`` counts.
        tells_stages: it may end in a pipeline, and its shell is had to tell how the stages of that ended.
        tells_passed: the same of the pipelines before.
        pipelines: those that are told, each with a line for each stage.
        untold: the first stage of a pipeline that is not told, if it could have failed.
        background: what the shell puts in the background and is had to tell of how it ended.
        tells_each: of each of these, and not only of the last one that it has started.
        on_end: a command that is run when it has ended, empty for none.
        stop_signal: what ends it best, where nobody has said with what it is to be stopped; SIGTERM without it.
        stop_grace_s: how long it is given for that; ``ancestry.GRACE_S`` without it.
        on: the place where it runs and what is asked of that, empty for this machine.
    """

    job_id: str
    command: str
    argv: list[str]
    cwd: str
    env: dict[str, str]
    created_at: float
    cookie: str
    max_output: int
    max_jobs: int
    name: str | None = None
    stdin: str = "closed"
    timeout_s: float | None = None
    after: list[str] = field(default_factory=list[str])
    client: str = ""
    restarted_from: str | None = None
    idle_timeout_s: float | None = None
    leftovers: str = "keep"
    stdin_file: str | None = None
    pools: dict[str, int] = field(default_factory=dict[str, int])
    large_pipes: bool = False
    parent: str | None = None
    ancestors: list[str] = field(default_factory=list[str])
    max_descendants: int = NO_LIMIT
    max_depth: int = NO_LIMIT
    project: str | None = None
    reader: str = ""
    is_own: bool = False
    env_from: str = ""
    attempts_file: str | None = None
    tells_stages: bool = False
    tells_passed: bool = False
    pipelines: list[str] = field(default_factory=list[str])
    untold: str | None = None
    background: list[str] = field(default_factory=list[str])
    tells_each: bool = False
    on_end: str = ""
    stop_signal: str | None = None
    stop_grace_s: float | None = None
    on: str = ""


@frozen
class OpenMark:
    """What the queue must know of a job that has not ended; the fields are those of ``Spec``."""

    created_at: float
    max_jobs: int
    after: list[str] = field(default_factory=list[str])
    pools: dict[str, int] = field(default_factory=dict[str, int])
    is_own: bool = False
    ancestors: list[str] = field(default_factory=list[str])


#: Who asked for a stop where a signal to the runner was how: a machine that shuts down does so.
SYSTEM = "system"


@frozen
class StopRequest:
    """The wish that a job stop: when (seconds since the epoch), by whom, why, and how."""

    at: float
    by: str
    why: str
    signal: str
    grace_s: float


@frozen
class LeaderExit:
    """How the command's own process ended; others that it started may live on."""

    at: float
    exit_code: int | None = None
    signal: str | None = None


@frozen
class ChildExit:
    """How a background process ended that the runner inherited; a shell tells nobody of those that it waited for."""

    pid: int
    command: str
    exit_code: int | None = None
    signal: str | None = None


@frozen
class Status:
    """What the runner publishes while it lives.

    Attributes:
        state: ``starting`` or ``running``.
        boot_id: the boot that the pids belong to.
        runner_pid: the runner.
        pid: the command's own process.
        started_at: seconds since the epoch.
        started_uptime: the same moment in seconds since the machine was started; ``None`` if release 1.0.0 wrote this.
        sweeping: this runner found a dead runner's job, and clears away what that one left.
        stop_requested: the wish that the job stop.
        leader_exit: set when the command itself is over and processes that it left behind are not.
        lost_bytes: output that could not be written to disk.
        survivors: processes alive after SIGKILL.
        machine: the machine that boot and pids belong to, empty if the runner is of release 1.0.0.
        failures: background processes that failed, the first of them.
        stages: exit codes of the stages of the pipeline that its shell ran last; empty if it has not told.
        hidden: the sentence that a stage of a pipeline failed, or may have, which its exit code does not tell.
    """

    state: str
    boot_id: str
    runner_pid: int
    pid: int | None = None
    started_at: float | None = None
    started_uptime: float | None = None
    sweeping: bool = False
    stop_requested: StopRequest | None = None
    leader_exit: LeaderExit | None = None
    lost_bytes: int = 0
    survivors: list[int] = field(default_factory=list[int])
    machine: str = ""
    failures: list[ChildExit] = field(default_factory=list[ChildExit])
    stages: list[int] = field(default_factory=list[int])
    hidden: str | None = None


@frozen
class Exit:
    """How a job ended; appears once.

    Attributes:
        outcome: one of ``core.states.Outcome``.
        exit_code: of the command itself; ``None`` if a signal ended it, or if it is unknown.
        signal: name of the signal that ended the command itself.
        reason: in words, why it ended so.
        started_at: seconds since the epoch; ``None`` if it was never started.
        ended_at: seconds since the epoch.
        duration_s: by a clock that does not jump.
        user_s: CPU seconds of all its processes.
        system_s: CPU seconds spent by the kernel for them.
        max_rss: bytes of the largest of its processes.
        peak_memory: most bytes that all its processes together were seen to hold at one moment.
        output_bytes: bytes that it ever wrote to the log.
        dropped_bytes: of those, bytes that retention has removed.
        lost_bytes: bytes that it wrote and that could not be stored.
        stop_requested: the wish that the job stop.
        killed_pids: processes that were sent SIGKILL to end it; the first of them, if they are very many.
        failures: background processes that failed, the first of them.
        stages: exit codes of the stages of the pipeline that its shell ran last; empty if it has not told.
        oom_kills: how many processes of its cgroup, its own or others, the kernel killed meanwhile for want of memory.
        swept: how many processes a dead runner had left, which were then ended.
        survivors: those that even SIGKILL had not ended by then, as ``kernel.survivors`` marks them.
        is_certain: nothing else of it can have been alive by then.
        ended_with: ids of the jobs that were asked for within it and ended because it was ended.
    """

    outcome: str
    ended_at: float
    exit_code: int | None = None
    signal: str | None = None
    reason: str = ""
    started_at: float | None = None
    duration_s: float | None = None
    user_s: float = 0.0
    system_s: float = 0.0
    max_rss: int = 0
    peak_memory: int = 0
    output_bytes: int = 0
    dropped_bytes: int = 0
    lost_bytes: int = 0
    stop_requested: StopRequest | None = None
    killed_pids: list[int] = field(default_factory=list[int])
    failures: list[ChildExit] = field(default_factory=list[ChildExit])
    stages: list[int] = field(default_factory=list[int])
    oom_kills: int = 0
    swept: int = 0
    survivors: list[str] = field(default_factory=list[str])
    is_certain: bool = True
    ended_with: list[str] = field(default_factory=list[str])


Record = TypeVar("Record", Spec, OpenMark, Status, Exit)

#: What JSON may hold for an annotation; a record's fields use no others.
_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "str | None": (str, type(None)),
    "int": (int,),
    "int | None": (int, type(None)),
    "bool": (bool,),
    "float": (float, int),
    "float | None": (float, int, type(None)),
    "list[str]": (list,),
    "list[int]": (list,),
    "dict[str, str]": (dict,),
    "dict[str, int]": (dict,),
    "StopRequest | None": (dict, type(None)),
    "LeaderExit | None": (dict, type(None)),
    "list[ChildExit]": (list,),
}
_NESTED: dict[str, type[StopRequest | LeaderExit | ChildExit]] = {
    "StopRequest | None": StopRequest,
    "LeaderExit | None": LeaderExit,
    "list[ChildExit]": ChildExit,
}


#: States that a runner publishes; the others are those of jobs without one.
_PUBLISHED = (State.STARTING, State.RUNNING)

#: Of what the items of a list, or the values of an object, are.
_ITEMS: dict[str, type] = {
    "list[str]": str,
    "list[int]": int,
    "list[ChildExit]": dict,
    "dict[str, str]": str,
    "dict[str, int]": int,
}


def encode(record: Spec | OpenMark | Status | Exit) -> bytes:
    """Return the record as it stands on disk."""
    return json.dumps({"version": FORMAT, **vars(record)}, default=vars).encode()


def decode(kind: type[Record], data: bytes, source: str) -> Record:
    """Return the record that the bytes hold.

    Raises:
        CorruptRecordError: the bytes are not such a record; ``source`` is named in the message.
    """
    try:
        raw: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CorruptRecordError(
            f"{source} is not JSON ({error}); the job's log beside it can still be read"
        ) from error
    record = _build(kind, raw, source)
    _check_word(source, "outcome", getattr(record, "outcome", None), Outcome)
    _check_word(source, "state", getattr(record, "state", None), _PUBLISHED)
    return record


def _check_word(source: str, field_name: str, word: str | None, known: Iterable[Word]) -> None:
    if word is not None and word not in {member.value for member in known}:
        raise CorruptRecordError(f"{source}: {field_name} {word!r} is not known to this release")


class _Field(NamedTuple):
    """A field of a record: its name and annotation, and what they say of its value in JSON."""

    name: str
    annotation: str
    types: tuple[type, ...]
    item_type: type | None
    nested: type | None


@functools.cache
def _fields(kind: type[Any]) -> tuple[_Field, ...]:
    """Return the fields of a kind of record, worked out once: every question about a job reads several records."""
    named = ((item.name, str(item.type)) for item in fields(kind))
    return tuple(_Field(name, told, _JSON_TYPES[told], _ITEMS.get(told), _NESTED.get(told)) for name, told in named)


def _holds_only(kind: type, value: object) -> bool:
    """Tell whether a list, or the values of an object, are all of one type."""
    parts = cast("dict[str, object]", value).values() if isinstance(value, dict) else cast("list[object]", value)
    return all(issubclass(found, kind) for found in set(map(type, parts)))


def _build(kind: type[Any], raw: object, source: str) -> Any:
    if not isinstance(raw, dict):
        raise CorruptRecordError(f"{source} does not hold a JSON object")
    values: dict[str, object] = {}
    for name, annotation, types, item_type, nested in _fields(kind):
        if name not in raw:
            continue
        value: Any = cast("dict[str, Any]", raw)[name]
        if not isinstance(value, types):
            raise CorruptRecordError(f"{source}: {name} is {type(value).__name__}, not {annotation}")
        if item_type and not _holds_only(item_type, value):
            raise CorruptRecordError(f"{source}: {name} holds something other than {annotation}")
        if not nested or value is None:
            values[name] = value
        elif isinstance(value, list):
            values[name] = [_build(nested, part, source) for part in cast("list[object]", value)]
        else:
            values[name] = _build(nested, value, source)
    try:
        return kind(**values)
    except TypeError as error:  # a field without a default is missing
        raise CorruptRecordError(f"{source}: {error}") from error


def read(kind: type[Record], path: str) -> Record | None:
    """Read a record; ``None`` if the file is not there.

    Raises:
        CorruptRecordError: the file is there and is not such a record.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CorruptRecordError(f"{path} cannot be read: {error.strerror}") from error
    return decode(kind, data, path)


def write(path: str, data: bytes, *, durable: bool = False) -> None:
    """Replace a file at once: a reader sees the old or the new content, never a part. Mode 0600."""
    temporary = f"{path}.{os.getpid()}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        try:
            write_all(descriptor, data)
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def clear_the_way(path: str) -> None:
    """Move a directory aside that stands where a record is to be: a job may have put it there."""
    if os.path.isdir(path):
        os.rename(path, f"{path}.{os.getpid()}.aside")


def write_all(descriptor: int, data: bytes) -> None:
    """Write all bytes; a disk that fills up in the middle makes a short write first and an error next."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def touch(path: str) -> None:
    """Make sure that there is such a file: a mark or a lock, whose content says nothing."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def write_spec(job: JobDir, spec: Spec) -> None:
    """Write what was asked."""
    write(job.spec, encode(spec))
