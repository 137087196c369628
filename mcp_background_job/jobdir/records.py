"""The JSON records of a job: its spec, its runner's status, its exit.

Readers take records of older and newer releases: unknown fields are ignored, and missing ones have a default if one is
possible. A field that does not fit raises a ``CorruptRecordError`` that names the file and the field.
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

#: A limit that limits nothing.
NO_LIMIT = 1_000_000


@frozen
class Spec:
    """The request for a job; written once.

    Attributes:
        job_id: its id, and the name of its directory.
        command: the command as the user typed it.
        argv: the arguments that are executed: a shell and the command.
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
        client: the client that asked for it, and that is told of its end.
        restarted_from: id of the job that it repeats.
        idle_timeout_s: it is stopped if it has neither written nor been sent anything for this many seconds.
        leftovers: ``keep``, or ``kill``: processes that outlive the command are ended, and the job ends with the
            command.
        stdin_file: a file whose bytes the stdin begins with; if ``stdin`` is ``closed``, they are all of it.
        pools: names of pools that it shares with other jobs, and how many jobs of each may run at once.
        large_pipes: its pipes have much room, since it may exit without waiting until its output is read.
        parent: id of the job in whose process it was asked for.
        ancestors: the parent, the job in whose process the parent was asked for, and so on: it ends with any of them.
            Those that had ended by themselves when it was asked for are left out.
        max_descendants: the limit at that time on unended jobs that were asked for within one job.
        max_depth: the limit at that time on living ancestors of a job.
        project: directory or name of the project that it was asked for in; empty for none, ``None`` if release 1.0.0
            recorded the job.
        reader: the reader that is told of its end and of its questions.
        env_from: the source of ``env``, apart from variables in the request; empty if unknown.
        attempts_file: the file with notes on attempts, if the command is started again when it fails.
        is_own: it is this program's own (ComfyUI, a feeder), and does not count towards ``max_jobs``.
        tells_stages: it may end in a pipeline, and its shell is made to report how that pipeline's stages ended.
        tells_passed: its shell is made to report the same of earlier pipelines.
        pipelines: the pipelines that are reported, each with a line for each stage.
        untold: the first stage, of a pipeline that is not reported, that could have failed.
        background: the commands that the shell puts in the background and whose ends it is made to report.
        tells_each: it reports on each of these commands, and not only on the last one that it started.
        on_end: a command that runs when the job has ended; empty for none.
        stop_signal: the signal for a stop that names none; ``None`` means SIGTERM.
        stop_grace_s: the grace period for such a stop, in seconds; ``None`` means ``ancestry.GRACE_S``.
        on: the place where it runs, with requests to that place; empty for this machine.
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
    """The facts about an unended job that the queue needs; the fields are those of ``Spec``."""

    created_at: float
    max_jobs: int
    after: list[str] = field(default_factory=list[str])
    pools: dict[str, int] = field(default_factory=dict[str, int])
    is_own: bool = False
    ancestors: list[str] = field(default_factory=list[str])


#: Asks for a stop if a signal to the runner was the request, as at a machine's shutdown.
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
    """How the command's own process ended; processes that it started may live on."""

    at: float
    exit_code: int | None = None
    signal: str | None = None


@frozen
class ChildExit:
    """How a background process that the runner inherited ended; a shell reports none that it waited for."""

    pid: int
    command: str
    exit_code: int | None = None
    signal: str | None = None


@frozen
class Status:
    """The status that the runner publishes while it lives.

    Attributes:
        state: ``starting`` or ``running``.
        boot_id: the boot to which the pids belong.
        runner_pid: pid of the runner.
        pid: pid of the command's own process.
        started_at: seconds since the epoch.
        started_uptime: the same moment in seconds since the machine was started; ``None`` if release 1.0.0 wrote the
            status.
        sweeping: this runner found a dead runner's job, and ends the processes that were left.
        stop_requested: the wish that the job stop.
        leader_exit: set if the command itself is over but processes that it left are not.
        lost_bytes: bytes of output that could not be written to disk.
        survivors: pids of processes that are alive after SIGKILL.
        machine: the machine to which boot and pids belong; empty if the runner is of release 1.0.0.
        failures: the first of the background processes that failed.
        stages: exit codes of the stages of the pipeline that its shell ran last; empty if the shell has not reported
            them.
        hidden: the sentence that a stage of a pipeline failed, or may have, which the exit code hides.
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
    """How a job ended; written once.

    Attributes:
        outcome: one of ``core.states.Outcome``.
        exit_code: of the command itself; ``None`` if a signal ended it, or if it is unknown.
        signal: name of the signal that ended the command itself.
        reason: why it ended so, in words.
        started_at: seconds since the epoch; ``None`` if it was never started.
        ended_at: seconds since the epoch.
        duration_s: its duration in seconds, by a monotonic clock.
        user_s: CPU seconds that all its processes used.
        system_s: CPU seconds that the kernel used for them.
        max_rss: resident bytes of the largest of its processes.
        peak_memory: the most bytes that all its processes together were seen to hold at one moment.
        output_bytes: bytes that it wrote to the log.
        dropped_bytes: bytes of these that retention has removed.
        lost_bytes: bytes that it wrote and that could not be stored.
        stop_requested: the wish that the job stop.
        killed_pids: the first of the processes that were sent SIGKILL to end it.
        failures: the first of the background processes that failed.
        stages: exit codes of the stages of the pipeline that its shell ran last; empty if the shell has not reported
            them.
        oom_kills: how many processes in its cgroup, its own or others, the kernel killed meanwhile for want of memory.
        swept: how many processes of a dead runner's job were found and ended.
        survivors: processes that even SIGKILL had not ended by then, as ``kernel.survivors`` marks them.
        is_certain: no other process of it can have been alive by then.
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

#: Types that JSON may hold for an annotation; a record's fields use no others.
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


#: States that a runner publishes; jobs without a runner have the others.
_PUBLISHED = (State.STARTING, State.RUNNING)

#: Types of the items of a list, or of the values of an object.
_ITEMS: dict[str, type] = {
    "list[str]": str,
    "list[int]": int,
    "list[ChildExit]": dict,
    "dict[str, str]": str,
    "dict[str, int]": int,
}


def encode(record: Spec | OpenMark | Status | Exit) -> bytes:
    """Return the form of the record on disk."""
    return json.dumps({"version": FORMAT, **vars(record)}, default=vars).encode()


def decode(kind: type[Record], data: bytes, source: str) -> Record:
    """Return the record in the bytes.

    Raises:
        CorruptRecordError: the bytes are not such a record; the message names ``source``.
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
    """A field of a record: its name and annotation, and the JSON types that these allow."""

    name: str
    annotation: str
    types: tuple[type, ...]
    item_type: type | None
    nested: type | None


@functools.cache
def _fields(kind: type[Any]) -> tuple[_Field, ...]:
    """Return the fields of a kind of record. The result is cached: every question about a job reads several records."""
    named = ((item.name, str(item.type)) for item in fields(kind))
    return tuple(_Field(name, told, _JSON_TYPES[told], _ITEMS.get(told), _NESTED.get(told)) for name, told in named)


def _holds_only(kind: type, value: object) -> bool:
    """Tell whether all items of a list, or all values of an object, are of one type."""
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
    """Read a record; ``None`` if the file does not exist.

    Raises:
        CorruptRecordError: the file exists but is not such a record.
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
    """Move a directory aside that is in the place of a record: a job may have put it there."""
    if os.path.isdir(path):
        os.rename(path, f"{path}.{os.getpid()}.aside")


def write_all(descriptor: int, data: bytes) -> None:
    """Write all bytes; if the disk fills up, the first write is short and the next one raises."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def touch(path: str) -> None:
    """Make sure that a file exists: a mark or a lock, whose content does not matter."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def write_spec(job: JobDir, spec: Spec) -> None:
    """Write the spec of a job."""
    write(job.spec, encode(spec))
