"""All facts to start a process again as it was started, and to recognise it: read from the kernel, kept as JSON.

Arguments and environment are bytes. Those that are not UTF-8 are kept as surrogates (PEP 383), in JSON too.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar, cast

import psutil

from mcp_background_job.errors import CorruptRecordError
from mcp_background_job.jobdir.boot import boot_id
from mcp_background_job.processes.wrapper import ProcessWrapper

#: Version of the JSON form; readers accept newer ones and ignore fields that they do not know.
FORMAT = 1

#: The kernel appends this to the path of a file that was removed.
_DELETED = " (deleted)"

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Portrait:
    """A process as it was at one moment. An unread field is ``None`` or empty, and named in ``unreadable``.

    Attributes:
        pid: its pid.
        birth: its start; no other process of this boot has this start and this pid. Clock ticks since boot on Linux,
            which no change of the clock moves; elsewhere the same as ``started_at``.
        started_at: seconds since the epoch.
        boot_id: the boot of the machine that it lived in; empty if the system does not say.
        user: name of its real user, or the number if there is no name.
        uid: its real user id.
        exe: path of the program, with symbolic links resolved; by now it may be another file, or none.
        argv: its arguments as it was started. A process that has overwritten them has none.
        cwd: its working directory; it may be gone by now.
        environ: the environment that it was started with.
        session_id: number of its session.
        process_group: number of its process group.
        parent_pid: pid of its parent.
        parent_command: command line of its parent, joined with spaces.
        control_group: text of its ``/proc/PID/cgroup``; empty elsewhere.
        own_control_group: the same of the process that took the portrait.
        pid_namespace_differs: whether it lives in another pid namespace than that process.
        unreadable: names of the fields that could not be read.
    """

    pid: int
    birth: float
    started_at: float
    boot_id: str = ""
    user: str | None = None
    uid: int | None = None
    exe: str | None = None
    argv: list[str] = field(default_factory=list[str])
    cwd: str | None = None
    environ: dict[str, str] = field(default_factory=dict[str, str])
    session_id: int | None = None
    process_group: int | None = None
    parent_pid: int | None = None
    parent_command: str = ""
    control_group: str = ""
    own_control_group: str = ""
    pid_namespace_differs: bool | None = None
    unreadable: tuple[str, ...] = ()

    def process(self) -> ProcessWrapper:
        """Take hold of the process in this portrait.

        Raises:
            ProcessLookupError: it has ended; another process may have its pid by now.
        """
        process = ProcessWrapper(self.pid)
        seen = process.look()
        if seen is None or not seen.alive or seen.birth != self.birth or self.boot_id != boot_id():
            raise ProcessLookupError(f"process {self.pid} has ended since its portrait was taken")
        return process

    def to_json(self) -> str:
        """Return the portrait as one line of ASCII."""
        return json.dumps({"version": FORMAT, **asdict(self)})

    @classmethod
    def from_json(cls, text: str) -> Portrait:
        """Return the portrait in a text that ``to_json`` has written, in this release or another.

        Raises:
            CorruptRecordError: the text is not a portrait.
        """
        try:
            raw: object = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CorruptRecordError(f"the portrait of a process is not JSON ({error})") from error
        if not isinstance(raw, dict):
            raise CorruptRecordError("the portrait of a process is not a JSON object")
        values = cast("dict[str, object]", raw)
        kept: dict[str, Any] = {}
        for item in fields(cls):
            if item.name in values:
                kept[item.name] = _checked(item.name, str(item.type), values[item.name])
        try:
            return cls(**kept)
        except TypeError as error:  # a field without a default is missing
            raise CorruptRecordError(f"the portrait of a process is not whole: {error}") from error


#: Types that JSON may hold for an annotation; the fields use no others.
_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "str | None": (str, type(None)),
    "int": (int,),
    "int | None": (int, type(None)),
    "float": (int, float),
    "bool | None": (bool, type(None)),
    "list[str]": (list,),
    "tuple[str, ...]": (list,),
    "dict[str, str]": (dict,),
}


def _checked(name: str, annotation: str, value: Any) -> Any:
    fits = isinstance(value, _JSON_TYPES[annotation])
    if fits and isinstance(value, (list, dict)):
        parts = cast("dict[str, object]", value).values() if isinstance(value, dict) else cast("list[object]", value)
        fits = all(isinstance(part, str) for part in parts)
    if not fits:
        raise CorruptRecordError(f"the portrait of a process: {name} is not {annotation}")
    return tuple(cast("list[str]", value)) if annotation.startswith("tuple") else cast("object", value)


def portrait_of(process: ProcessWrapper) -> Portrait:
    """Read everything that can be read about a process.

    Raises:
        ProcessLookupError: it has ended, perhaps while it was read.
    """
    seen = process.look()
    if seen is None or not seen.alive:
        raise ProcessLookupError(f"process {process.pid} has ended")
    pid = process.pid
    read = _Reader()
    source = _Linux(pid) if sys.platform == "linux" else _Elsewhere(pid)
    portrait = Portrait(
        pid=pid,
        birth=seen.birth,
        started_at=read("started_at", lambda: psutil.Process(pid).create_time(), 0.0),
        boot_id=boot_id(),
        user=read("user", lambda: psutil.Process(pid).username(), None),
        uid=read("uid", lambda: psutil.Process(pid).uids().real, None),
        exe=read("exe", source.exe, None),
        argv=read("argv", source.argv, []),
        cwd=read("cwd", source.cwd, None),
        environ=read("environ", source.environ, {}),
        session_id=seen.session,
        process_group=seen.group,
        parent_pid=seen.parent,
        parent_command=read("parent_command", lambda: _command(seen.parent), ""),
        control_group=read("control_group", source.control_group, ""),
        own_control_group=read("own_control_group", type(source)(os.getpid()).control_group, ""),
        pid_namespace_differs=read("pid_namespace_differs", source.pid_namespace_differs, None),
    )
    # Everything was read by pid. If the process still has its pid now, it had it all the time.
    now = process.look()
    if now is None or not now.alive:
        raise ProcessLookupError(f"process {pid} has ended while it was looked at")
    return replace(portrait, unreadable=tuple(read.unreadable))


class _Reader:
    """Reads field by field, and remembers what could not be read."""

    def __init__(self) -> None:
        self.unreadable: list[str] = []

    def __call__(self, name: str, read: Callable[[], _T], otherwise: _T) -> _T:
        try:
            return read()
        except (psutil.Error, OSError, ValueError):
            self.unreadable.append(name)
            return otherwise


class _Linux:
    """Reads /proc. psutil would repair arguments that look odd, and end an environment at the first oddity."""

    def __init__(self, pid: int) -> None:
        self._directory = Path(f"/proc/{pid}")

    def exe(self) -> str:
        return self._path("exe")

    def cwd(self) -> str:
        return self._path("cwd")

    def argv(self) -> list[str]:
        return arguments((self._directory / "cmdline").read_bytes())

    def environ(self) -> dict[str, str]:
        return variables((self._directory / "environ").read_bytes())

    def control_group(self) -> str:
        return (self._directory / "cgroup").read_text(errors="surrogateescape")

    def pid_namespace_differs(self) -> bool:
        return (self._directory / "ns/pid").readlink() != Path("/proc/self/ns/pid").readlink()

    def _path(self, name: str) -> str:
        path = str((self._directory / name).readlink())
        # A file may really have this name.
        return path if os.path.lexists(path) else path.removesuffix(_DELETED)


class _Elsewhere:
    """Reads through psutil."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)

    def exe(self) -> str:
        return self._process.exe()

    def cwd(self) -> str:
        return self._process.cwd()

    def argv(self) -> list[str]:
        return self._process.cmdline()

    def environ(self) -> dict[str, str]:
        return self._process.environ()

    def control_group(self) -> str:
        return ""

    def pid_namespace_differs(self) -> bool:
        return False


def arguments(data: bytes) -> list[str]:
    """Return the arguments in the text of a ``/proc/PID/cmdline``.

    Raises:
        ValueError: there are none, or the process has written a title over them.
    """
    if not data.endswith(b"\0"):  # the kernel ends arguments with NUL, and cuts a title at its own end
        raise ValueError("a process without arguments, or with a title in their place")
    first, *rest = [os.fsdecode(part) for part in data[:-1].split(b"\0")]
    if rest and not any(rest) and " " in first and not os.path.lexists(first):
        raise ValueError("a title, and what it has left of the room for arguments")
    return [first, *rest]


def variables(data: bytes) -> dict[str, str]:
    """Return the variables in the text of a ``/proc/PID/environ``.

    Raises:
        ValueError: the process has written something else over them, for example a long title.
    """
    environ: dict[str, str] = {}
    parts = data.removesuffix(b"\0").split(b"\0") if data else []
    for part in parts:
        name, equals, value = part.partition(b"=")
        if not name or not equals:
            raise ValueError("not an environment any more")
        environ.setdefault(os.fsdecode(name), os.fsdecode(value))  # of two with one name, getenv(3) takes the first
    return environ


def _command(pid: int) -> str:
    if pid == 0:
        return ""
    process = psutil.Process(pid)
    return " ".join(process.cmdline()) or process.name()
