"""The package of a job: the runner, the job's spec, and the files that it needs."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import zipfile

from mcp_background_job.errors import LaunchError
from mcp_background_job.executors.nodes.package import packed
from mcp_background_job.jobdir import parcels
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import Spec

#: Files of a job's directory that stay on this machine.
_OURS = ("spec.json", "native.json", "runner.claim", "exit.json", "address.json", "mirror.lock")

#: The most bytes of input: Ray keeps packages in its head's memory, and larger files belong on storage for the nodes.
_MAX_INPUT = 64 * 1024 * 1024

_STDIN = "stdin"


def packed_job(job: JobDir, spec: Spec, token: str) -> bytes:
    """Return the package of a job.

    Raises:
        LaunchError: a file cannot be read, or the files are too large.
    """
    try:
        files = {name: _content(f"{job.path}/{name}") for name in os.listdir(job.path) if name not in _OURS}
        if spec.stdin_file and not spec.stdin_file.startswith(f"{job.path}/"):
            files[_STDIN] = _content(spec.stdin_file)
            spec = dataclasses.replace(spec, stdin_file=f"{job.path}/{_STDIN}")
    except OSError as error:
        raise LaunchError(f"{error.filename} cannot be sent to Ray: {error.strerror}") from error
    if sum(map(len, files.values())) > _MAX_INPUT:
        raise LaunchError("the input of the job is too large for Ray's head, 64 MB: put it where the nodes see it")
    known = {"spec": dataclasses.asdict(spec), "home": job.path, "token": token}
    return _zipped({parcels.JOB: json.dumps(known).encode(), parcels.RUNNER: packed()[1]}, files)


def withdrawn() -> bytes:
    """Return the package that replaces one whose job must not run any more."""
    return _zipped({parcels.JOB: json.dumps({"withdrawn": True}).encode(), parcels.RUNNER: packed()[1]}, {})


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(_MAX_INPUT + 1)


def _zipped(ours: dict[str, bytes], files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in ours.items():
            package.writestr(name, content)
        package.writestr(f"{parcels.FILES}/", b"")
        for name, content in files.items():
            package.writestr(f"{parcels.FILES}/{name}", content)
    return out.getvalue()
