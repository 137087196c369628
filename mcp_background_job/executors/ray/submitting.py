"""Submits jobs to Ray in such a way that each command runs once, whichever process dies meanwhile.

Ray takes each id once, and the id is on record before Ray is asked. If a process finds an unconfirmed submission, it
looks the id up; if Ray has no such job, it submits the job again under that id. Only a head that has lost its state
could take the id twice; if its session is another one, nothing is submitted again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from typing import Any, cast

from mcp_background_job.core.states import Outcome, State
from mcp_background_job.errors import (
    AfterFailedError,
    EngineUnreachableError,
    InvalidRequestError,
    LaunchError,
)
from mcp_background_job.executors import lanes
from mcp_background_job.executors.background import Background
from mcp_background_job.executors.family import Family
from mcp_background_job.executors.nodes import claims, wishes
from mcp_background_job.executors.nodes.store import NodeStore
from mcp_background_job.executors.nodes.submitting import NodeSubmitting, behind
from mcp_background_job.executors.nodes.watcher import Watcher
from mcp_background_job.executors.ray import native, options
from mcp_background_job.executors.ray.fitting import unmet
from mcp_background_job.executors.ray.native import Noted
from mcp_background_job.executors.ray.options import Options
from mcp_background_job.executors.ray.parcel import packed_job
from mcp_background_job.executors.ray.rest import OURS, Head, Node, UnsureError
from mcp_background_job.jobdir import parcels
from mcp_background_job.jobdir.observe import told
from mcp_background_job.jobdir.records import Spec

#: Seconds for which a submission that another process has begun is left to that process.
REPEAT_AFTER_S = 30.0

#: Seconds between Ray's SIGTERM and its SIGKILL: more than the runner's own grace period and the time for its report.
_STOP_WAIT_S = 30

#: Any Python there is: the runner runs on any from 3.9 on.
_ENTRYPOINT = f'exec "$(command -v python3 || command -v python)" -I -S {parcels.RUNNER} --apart .'


class Submitting(NodeSubmitting):
    """Submits jobs to Ray."""

    def __init__(
        self,
        store: NodeStore,
        head: Head,
        watcher: Watcher,
        background: Background,
        *,
        defaults: Options,
        family: Family,
    ) -> None:
        """Takes its parts, the default wishes of each job, and the families of the jobs."""
        super().__init__(store, background, family)
        self._head = head
        self._watcher = watcher
        self._defaults = defaults
        self._under_way: set[str] = set()

    def asked(self, words: str) -> Options:
        """Return the wishes of a job, with the site's defaults.

        Raises:
            InvalidRequestError: a wish cannot be used.
        """
        return options.read(words).over(self._defaults)

    def _record(self, spec: Spec) -> None:
        self._under_way.add(spec.job_id)
        asked = self.asked(wishes.of(spec))
        # First: a process that finds the job recorded continues under the id that is noted here.
        native.write(self._store.job(spec.job_id), native.new(self._head.cluster, asked.gpus))
        self._record_within_limits(spec)

    async def _submit(self, spec: Spec) -> None:
        """Submit a job that is on record for the first time.

        Raises:
            LaunchError: Ray refuses it; the refusal is on record.
        """
        try:
            await lanes.lasting(self._submitted, spec)
        except UnsureError:
            self._watcher.hurry()  # the process that tends the place will find out
        except (LaunchError, EngineUnreachableError, InvalidRequestError) as error:
            await lanes.write(self._end, spec.job_id, Outcome.FAILED, f"not started: {error}")
            raise
        finally:
            self._under_way.discard(spec.job_id)

    def _submitted(self, spec: Spec) -> None:
        job = self._store.job(spec.job_id)
        noted = native.read(job)
        if noted is None:
            raise LaunchError("what was noted of its submission cannot be read")
        if not self._may_start(spec) or claims.is_claimed(job):
            return
        asked = self.asked(wishes.of(spec))
        session = self._head.session()
        self._check(asked, self._head.nodes())
        self._head.put_package(noted.package(spec.job_id), packed_job(job, spec, noted.token))
        native.write(job, noted := dataclasses.replace(noted, asked_at=time.time(), session=session))
        if claims.is_claimed(job):  # withdrawn meanwhile, by a process that may not have seen ``asked_at``
            return
        self._head.submit(self._request(spec, noted, asked))
        self._confirm(spec.job_id, noted)
        self._watcher.hurry()

    def _may_start(self, spec: Spec) -> bool:
        """Tell whether the jobs have completed that a job runs after: Ray has no such wishes.

        Raises:
            AfterFailedError: one of them has failed or is gone.
        """
        for other in spec.after:
            seen = told(self._store.job(other))
            if seen.state is not State.EXITED:
                if not self._store.has(other):
                    raise AfterFailedError(behind(other, None))
                return False
            if seen.outcome is not Outcome.COMPLETED:
                raise AfterFailedError(behind(other, seen.outcome))
        return True

    def _check(self, asked: Options, nodes: list[Node]) -> None:
        """Check that some node has the wanted resources, unless the cluster can grow.

        Raises:
            LaunchError: none has.
        """
        if (why := unmet(asked.of_one_node(), nodes)) and not grows(self._head.status()):
            raise LaunchError(why)

    def _request(self, spec: Spec, noted: Noted, asked: Options) -> dict[str, object]:
        variables = {"RAY_JOB_STOP_WAIT_TIME_S": str(_STOP_WAIT_S), "MCP_BG_KILL_WAIT_S": str(_STOP_WAIT_S)}
        return {
            "submission_id": noted.submission_id(spec.job_id),
            "entrypoint": _ENTRYPOINT,
            # All users of the dashboard can read these variables: the job's own variables are in the package.
            "runtime_env": {"working_dir": f"gcs://{noted.package(spec.job_id)}", "env_vars": variables},
            "metadata": {OURS: spec.job_id, "name": spec.name or spec.job_id},
            **asked.asked(),
        }

    def _confirm(self, job_id: str, noted: Noted) -> None:
        with contextlib.suppress(FileNotFoundError):  # the job has ended already, and its directory was removed
            native.write(self._store.job(job_id), dataclasses.replace(noted, is_confirmed=True))
        self._store.submitted(job_id)

    # -- what others have begun ------------------------------------------------------------------------------------

    async def finish_others(self) -> None:
        """Continue submissions that are not confirmed, and those whose turn has come."""
        for job_id in await lanes.look(self._store.to_be_submitted):
            await lanes.lasting(self.go_on, job_id)

    def go_on(self, job_id: str) -> None:
        """Do the same for one job, unless this process is already doing so; call it in a thread."""
        if job_id in self._under_way:
            return
        self._under_way.add(job_id)
        try:
            self._finish(job_id)
        except (EngineUnreachableError, UnsureError):
            return  # the next process that tends tries again
        except (LaunchError, InvalidRequestError) as error:
            self._end(job_id, Outcome.FAILED, f"not started: {error}")
        finally:
            self._under_way.discard(job_id)

    def _finish(self, job_id: str) -> None:
        spec, job = self._store.spec(job_id), self._store.job(job_id)
        if spec is None or job.has_exit or claims.is_claimed(job):
            if spec is not None or not os.path.isdir(job.path):  # a directory without a spec may yet get one
                self._store.submitted(job_id)
            return
        noted = native.read(job)
        if noted is None or not noted.asked_at:
            if time.time() - spec.created_at > REPEAT_AFTER_S or spec.after:
                self._submitted(spec)
            return
        if noted.cluster != self._head.cluster or time.time() - noted.asked_at < REPEAT_AFTER_S:
            return
        self._ask_for(spec, noted)

    def _ask_for(self, spec: Spec, noted: Noted) -> None:
        """Find out whether Ray has a job, and submit it if not."""
        if self._head.look_up(noted.submission_id(spec.job_id)) is not None:
            self._confirm(spec.job_id, noted)
        elif self._head.session() == noted.session:
            self._submitted(spec)
        else:
            why = "Ray was restarted without its state while it was submitted: whether it had begun is not known"
            self._end(spec.job_id, Outcome.LOST, why)

    def submit_anew(self, job_id: str, noted: Noted) -> None:
        """Submit a job again that Ray has given up because its turn did not come."""
        job = self._store.job(job_id)
        again = dataclasses.replace(noted, attempt=noted.attempt + 1, asked_at=0.0, session="", is_confirmed=False)
        native.write(job, again)
        self._store.to_submit(job_id)
        if spec := self._store.spec(job_id):
            self._submitted(spec)


def grows(status: dict[str, Any]) -> bool:
    """Tell whether something adds nodes to a cluster on demand: the nodes then have named types."""
    report: Any = status.get("autoscalerReport")
    kinds: Any = cast("dict[str, Any]", report).get("nodeTypeMapping") if isinstance(report, dict) else None
    named = cast("dict[str, Any]", kinds) if isinstance(kinds, dict) else {}
    return any(kind != f"node_{node}" for node, kind in named.items())
