"""A Ray without nodes: its head's REST on loopback, which takes jobs and says of them what it is told to.

Its answers have the form of those of Ray 2.60, which ``test_real.py`` compares. It can run a job: then what is in the
job's package runs on this machine, as Ray would run it.
"""

from __future__ import annotations

import io
import json
import shlex
import subprocess
import sys
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.patience import PATIENCE_S

TOKEN = "of-the-tests"


class FakeRay:
    """A head.

    Attributes:
        jobs: what it has, by submission id, as it tells them.
        logs: what each has printed.
        packages: by name.
        asked: of which path what was asked, in order.
        session: of the cluster.
        mode: of authentication.
        is_silent: it takes connections and says nothing.
        loses_answers: it takes jobs, and its answers to that get lost.
        is_broken: it answers what no Ray does.
        grows: something adds nodes when they are wished for.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.temporary = directory / "tmp"
        self.temporary.mkdir()
        self.jobs: dict[str, dict[str, Any]] = {}
        self.logs: dict[str, str] = {}
        self.packages: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.session = "session_1"
        self.mode = "token"
        self.is_silent = self.loses_answers = self.is_broken = self.grows = False
        self.refuses = ""
        self._runners: dict[str, subprocess.Popen[bytes]] = {}
        self._released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def submissions(self) -> list[str]:
        """The ids of jobs for users, in the order in which they were taken."""
        return [name for name, job in self.jobs.items() if "mcp_bg_job" in job["metadata"]]

    def say(self, submission_id: str, status: str, **facts: Any) -> None:
        """Have it say this of a job from now on."""
        self.jobs[submission_id].update(status=status, **facts)

    def forget(self) -> None:
        """Be restarted without its state."""
        self.jobs.clear()
        self.logs.clear()
        self.session += "x"

    def run(self, submission_id: str, python: str = sys.executable) -> subprocess.Popen[bytes]:
        """Run a job as Ray would, but for the resources; ``python``: what the node has."""
        job = self.jobs[submission_id]
        directory = self.directory / submission_id
        directory.mkdir()
        name = job["runtime_env"]["working_dir"].removeprefix("gcs://")
        with zipfile.ZipFile(io.BytesIO(self.packages[name])) as package:
            package.extractall(directory)
        program = self.directory / "bin" / "python3"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(python)} "$@"\n')
        program.chmod(0o700)
        variables = {"PATH": f"{program.parent}:/usr/bin:/bin", "OMP_NUM_THREADS": "1", "NODE": "n1"}
        variables["RAY_ADDRESS"] = "127.0.0.1:1"
        variables |= {**job["runtime_env"]["env_vars"], "TMPDIR": str(self.temporary)}
        self.say(submission_id, "RUNNING", driver_agent_http_address="http://127.0.0.1:1", message="Job is running.")
        with (directory / "log").open("wb") as log:
            runner = self._runners[submission_id] = subprocess.Popen(
                ["/bin/sh", "-c", job["entrypoint"]],
                cwd=directory,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return runner

    def end(self, submission_id: str) -> int:
        """Wait for the end of what it runs, and say it; returns the exit status."""
        code = self._runners[submission_id].wait(PATIENCE_S)
        self.say(submission_id, "FAILED" if code else "SUCCEEDED", driver_exit_code=code, end_time=time.time() * 1000)
        return code

    def log_of(self, submission_id: str) -> str:
        """What a job has printed."""
        log = self.directory / submission_id / "log"
        return self.logs.get(submission_id, "") + (log.read_text() if log.exists() else "")

    def take(self, asked: dict[str, Any]) -> None:
        """Take a job."""
        self.jobs[asked["submission_id"]] = {
            "type": "SUBMISSION",
            "status": "PENDING",
            "message": "Job has not started yet.",
            "error_type": None,
            "driver_agent_http_address": None,
            **asked,
        }

    def stop(self) -> None:
        """Be gone; what it runs is ended by whoever started it."""
        self._released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for runner in self._runners.values():
            runner.wait(PATIENCE_S)

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, str]:
        """Return status and text of an answer."""
        self.asked.append(f"{method} {path}")
        if self.is_silent:
            self._released.wait(PATIENCE_S)
        if self.is_broken:
            return 200, "<html>It works!</html>"
        match path.partition("?")[0].strip("/").split("/")[1:]:
            case ["packages", _, name]:
                self.packages[name] = body
                return 200, ""
            case ["jobs"] if method == "POST":
                return self._submitted(json.loads(body))
            case ["jobs", submission_id, *what]:
                return self._about(submission_id, what)
            case what:
                return self._about_cluster("/".join(what))

    def _about_cluster(self, what: str) -> tuple[int, str]:
        kinds = {"n1": "gpu-workers" if self.grows else "node_n1"}
        status = {"autoscalerReport": {"nodeTypeMapping": kinds}, "loadMetricsReport": {"usage": _USAGE}}
        known: dict[str, Any] = {
            "authentication_mode": {"authentication_mode": self.mode},
            "version": {"version": "4", "ray_version": "2.60.0", "session_name": self.session},
            "jobs": [*self.jobs.values(), {"type": "DRIVER", "submission_id": None, "metadata": {}}],
            "v0/nodes": {"result": True, "data": {"result": {"result": _NODES}}},
            "cluster_status": {"result": True, "data": {"clusterStatus": status}},
        }
        return (200, json.dumps(known[what])) if what in known else (404, "404: Not Found")

    def _submitted(self, asked: dict[str, Any]) -> tuple[int, str]:
        submission_id = asked["submission_id"]
        if self.refuses:
            return 400, f"Traceback (most recent call last):\n  File\nValueError: {self.refuses}"
        if submission_id in self.jobs:
            return 500, f"Traceback\nRuntimeError: Job with submission_id {submission_id} already exists. Please use"
        self.take(asked)
        if withdrawn := asked["metadata"].get("withdraws"):
            self.jobs[submission_id]["status"] = "SUCCEEDED"
            if self.jobs[withdrawn]["status"] == "PENDING":
                self.say(withdrawn, "FAILED", error_type="JOB_SUPERVISOR_ACTOR_DIED", message="it was killed")
        if self.loses_answers:
            return 0, ""
        return 200, json.dumps({"job_id": submission_id, "submission_id": submission_id})

    def _about(self, submission_id: str, what: list[str]) -> tuple[int, str]:
        job = self.jobs.get(submission_id)
        if job is None:
            return 404, f"Job {submission_id} does not exist"
        if what == ["logs"]:
            return 200, json.dumps({"logs": self.log_of(submission_id)})
        if what == ["stop"]:  # of one that waits it says so too, and does nothing
            if runner := self._runners.get(submission_id):
                runner.terminate()
            elif job["status"] == "RUNNING":
                self.say(submission_id, "STOPPED")
            return 200, json.dumps({"stopped": True})
        return 200, json.dumps(job)


_NODES = [
    {"state": "ALIVE", "is_head_node": True, "resources_total": {"CPU": 1.0, "memory": 1e9}},
    {
        "state": "ALIVE",
        "is_head_node": False,
        "resources_total": {"CPU": 4.0, "GPU": 2.0, "memory": 8e9, "a100": 1.0, "licence": 1.0},
    },
    {"state": "DEAD", "is_head_node": False, "resources_total": {"CPU": 64.0, "GPU": 8.0, "memory": 8e9}},
]
_USAGE = {"CPU": [1.0, 5.0], "GPU": [0.5, 2.0]}


def _handler_of(ray: FakeRay) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            is_open = self.path == "/api/authentication_mode"
            if not is_open and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                status, text = 403, "Forbidden: Invalid authentication token"
            else:
                status, text = ray.answer(self.command, self.path, body)
            if status == 0:
                return  # the connection ends without an answer
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def do_PUT(self) -> None:
            self._answer()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  its name there
            del format, arguments

    return Handler
