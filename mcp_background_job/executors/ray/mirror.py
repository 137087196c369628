"""Copies the files of jobs from nodes that we cannot see: from their runners, and in the end from Ray's logs.

A runner is asked for the bytes behind those that are here, so any process may fetch at any time; one at a time does.
All methods wait for other machines: call them in threads.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Generator
from typing import cast

from mcp_background_job.errors import CorruptRecordError
from mcp_background_job.executors.nodes.claims import take_for
from mcp_background_job.executors.nodes.ending import end
from mcp_background_job.executors.nodes.fetching import Fetching
from mcp_background_job.executors.nodes.store import NodeStore, content_of
from mcp_background_job.executors.ray.native import Noted
from mcp_background_job.executors.ray.rest import Head
from mcp_background_job.executors.ray.room import give_back
from mcp_background_job.jobdir import address, lock, parcels, records
from mcp_background_job.jobdir.control import NoRunnerError
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.log.format import ENTRY, HEADER, KEPT_FROM, KEPT_FROM_AT
from mcp_background_job.jobdir.records import Exit

#: Seconds to wait for another fetch: it ends within one second, or hangs.
_PATIENCE_S = 3.0
_RETRY_S = 0.02


class Mirror:
    """Copies files of nodes here."""

    def __init__(self, store: NodeStore, head: Head) -> None:
        """Takes the store of the copies, and Ray's head, which has the logs."""
        self._store = store
        self._head = head

    def learn(self, job: JobDir, noted: Noted) -> bool:
        """Find out where a job's runner is; returns whether it has begun.

        Raises:
            EngineUnreachableError: Ray does not answer.
        """
        if address.read(job) is not None:
            return True
        return self._take_beginning(job, noted, parcels.told(self._head.logs(noted.submission_id(job.job_id))))

    def refresh(self, job: JobDir) -> bool:
        """Fetch news of a job from its runner, unless another process does; returns whether the runner is there.

        Raises:
            RunnerTimeoutError: the runner cannot be reached, or does not answer.
        """
        where = address.read(job)
        if where is None or where.port is None:
            return False
        try:
            with lock.held(f"{job.path}/mirror.lock") as is_ours, Fetching(where, where.port) as runner:
                if is_ours:
                    _fetch(job, runner)
        except (NoRunnerError, FileNotFoundError):  # the job is over, or was removed here
            return False
        return True

    def complete(self, job: JobDir, noted: Noted) -> bool:
        """Take the outcome of a job that is over from Ray's log; returns whether its runner wrote it there.

        Raises:
            EngineUnreachableError: Ray does not answer.
            OSError: the disk has no room for it.
        """
        told = parcels.told(self._head.logs(noted.submission_id(job.job_id)))
        self._take_beginning(job, noted, told)
        record = _end_in(told)
        if record is None:
            return False
        with _alone(job):
            for said in told:
                _take(job, said)
        end(self._store, job.job_id, record, is_certain=True)
        return True

    def _take_beginning(self, job: JobDir, noted: Noted, told: list[dict[str, object]]) -> bool:
        began = next((said["began"] for said in told if isinstance(said.get("began"), dict)), None)
        if began is None:
            return False
        with contextlib.suppress(FileNotFoundError):  # the job was removed here
            nothing: list[str] = []
            known = {**cast("dict[str, object]", began), "argv": nothing, "token": noted.token}
            records.write(job.address, json.dumps(known).encode())
            take_for(job, noted.submission_id(job.job_id), str(known.get("node", "")))
            self._store.has_its_turn(job.job_id)
        return True


@contextlib.contextmanager
def _alone(job: JobDir) -> Generator[None]:
    """Wait until no other process fetches, which takes moments; a stuck one is ignored."""
    deadline = time.monotonic() + _PATIENCE_S
    pause = threading.Event()
    while True:
        with lock.held(f"{job.path}/mirror.lock") as is_ours:
            if is_ours or time.monotonic() > deadline:
                yield
                return
        pause.wait(_RETRY_S)


def _fetch(job: JobDir, runner: Fetching) -> None:
    # The status first: if it says that the command is over, the rest holds all of its output.
    status, _ = runner.read("status.json", 0)
    kept_from = _kept_from(runner)
    _append(job.log, "output.log", runner, max(_size(job.log), kept_from))
    # The last entry may have grown since.
    whole = _size(job.index) // ENTRY.size * ENTRY.size
    _append(job.index, "output.idx", runner, max(0, whole - ENTRY.size))
    if kept_from := _kept_from(runner):  # anew: the bytes that were read from there on were no hole at that time
        _write_at(job.index, KEPT_FROM_AT, KEPT_FROM.pack(kept_from))
        give_back(job, kept_from)
    _replace_curve(job.usage, runner)
    if status and status != content_of(job.status):
        records.write(job.status, status)


def _kept_from(runner: Fetching) -> int:
    header, _ = runner.read("output.idx", 0, HEADER.size)
    return HEADER.unpack(header)[2] if len(header) == HEADER.size else 0


def _append(path: str, name: str, runner: Fetching, offset: int) -> None:
    """Fetch a file from an offset up to its present end: a job may write faster than we fetch."""
    data, size = runner.read(name, offset)
    while data:
        _write_at(path, offset, data)
        offset += len(data)
        data = runner.read(name, offset)[0] if offset < size else b""


def _replace_curve(path: str, runner: Fetching) -> None:
    data, size = runner.read("usage.bin", 0)
    if not data or (data == content_of(path)[: len(data)] and size == _size(path) and size == len(data)):
        return
    while len(data) < size and (more := runner.read("usage.bin", len(data))[0]):
        data += more
    records.write(path, data)


def _take(job: JobDir, said: dict[str, object]) -> None:
    piece = parcels.piece_in(said)
    paths = {"output.log": job.log, "output.idx": job.index, "usage.bin": job.usage}
    if piece and piece[0] in paths:
        _write_at(paths[piece[0]], piece[1], piece[2])
    elif type(cut := said.get("cut")) is int and cut > 0:
        _write_at(job.index, KEPT_FROM_AT, KEPT_FROM.pack(cut))


def _end_in(told: list[dict[str, object]]) -> Exit | None:
    for said in reversed(told):
        if "ended" in said:
            with contextlib.suppress(CorruptRecordError):
                return records.decode(Exit, json.dumps(said["ended"]).encode(), "what the runner has told")
    return None


def _write_at(path: str, offset: int, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while data:
            written = os.pwrite(descriptor, data, offset)
            data, offset = data[written:], offset + written
    finally:
        os.close(descriptor)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
