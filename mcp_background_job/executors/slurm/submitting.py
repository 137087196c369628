"""Submits jobs to Slurm in such a way that each command runs once, whichever process dies meanwhile.

The job is on record before Slurm is asked, and Slurm's id is noted afterwards. A process that finds a job in between
cannot know whether Slurm has it, and asks: our job's id is the comment of the Slurm job. If Slurm, asked long enough
after the submission, has no such job, it is submitted again. If Slurm had it all the same, the second one finds the job
taken, and ends.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
import time

from mcp_background_job.core.states import Outcome, State
from mcp_background_job.core.values import frozen
from mcp_background_job.errors import AfterFailedError, EngineUnreachableError, InvalidRequestError, LaunchError
from mcp_background_job.executors import lanes
from mcp_background_job.executors.background import Background
from mcp_background_job.executors.family import Family
from mcp_background_job.executors.nodes import claims, native, wishes
from mcp_background_job.executors.nodes.native import Native
from mcp_background_job.executors.nodes.package import runner_package
from mcp_background_job.executors.nodes.store import NodeStore
from mcp_background_job.executors.nodes.submitting import NodeSubmitting, behind
from mcp_background_job.executors.nodes.watcher import Watcher
from mcp_background_job.executors.slurm import options
from mcp_background_job.executors.slurm.commands import COMMENT, Commands, UnsureError
from mcp_background_job.executors.slurm.options import Options
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.observe import told
from mcp_background_job.jobdir.records import Spec

#: Seconds after which an unconfirmed submission is repeated: sbatch is given up sooner, and a controller that has taken
#: a job lists it sooner.
REPEAT_AFTER_S = 60.0

#: If the script on the node cannot begin, it prints why, and exits with the shell's code for such errors.
_SCRIPT = """\
#!/bin/sh
say() {{ echo "mcp-background-job: $1" >&2; exit "$2"; }}
node=${{SLURMD_NODENAME:-$(uname -n)}}
[ -r {runner} ] ||
  say "{root} does not exist on node $node: set MCP_BG_SLURM_DIR to a directory that all nodes share" 126
command -v {python} >/dev/null ||
  say "node $node has no {python_told}: set MCP_BG_SLURM_PYTHON to a Python of at least 3.9 that all nodes have" 127
export MCP_BG_ENDS_AT="$SLURM_JOB_END_TIME"{kill_wait}
# Older releases have to be asked, once the runner has started, which is no parent of who asks. Nobody waits for that.
[ "$SLURM_JOB_END_TIME" ] || ({{ sleep 1; squeue -h -j "$SLURM_JOB_ID" -o %e >{job}/ends_at 2>/dev/null; }} &)
exec {python} -I -S {runner} {job}{tcp}
"""


@frozen
class Site:
    """Facts about a site.

    Attributes:
        defaults: the wishes of each job, unless the job has others.
        python: the Python of the nodes.
    """

    defaults: Options
    python: str


class Submitting(NodeSubmitting):
    """Submits jobs to Slurm."""

    def __init__(
        self,
        store: NodeStore,
        commands: Commands,
        watcher: Watcher,
        background: Background,
        *,
        site: Site,
        family: Family,
    ) -> None:
        """Takes its parts."""
        super().__init__(store, background, family)
        self._commands = commands
        self._watcher = watcher
        self._site = site

    def asked(self, words: str) -> Options:
        """Return the wishes of a job, with the site's defaults.

        Raises:
            InvalidRequestError: a wish cannot be used.
        """
        return options.read(words).over(self._site.defaults)

    def _record(self, spec: Spec) -> None:
        asked = self.asked(wishes.of(spec))
        root = self._store.state.path
        if "\\" in root:  # sbatch leaves them out of the path of its log, however they are written
            raise InvalidRequestError(
                f"Slurm cannot write to {root}, whose name has a backslash: set MCP_BG_SLURM_DIR to another directory"
            )
        self._record_within_limits(spec)
        self._note(spec.job_id, Native(time.time(), gpus=asked.gpus, cluster=self._commands.cluster))

    def _note(self, job_id: str, noted: Native) -> None:
        native.write(self._store.job(job_id), noted)

    async def _submit(self, spec: Spec) -> None:
        """Submit a job that is on record.

        Raises:
            LaunchError: Slurm refuses it; the refusal is on record.
        """
        try:
            await lanes.lasting(self._submitted, spec)
        except UnsureError:
            self._watcher.hurry()  # the process that tends the place will find out
        except (LaunchError, EngineUnreachableError, InvalidRequestError) as error:
            await lanes.write(self._end, spec.job_id, Outcome.FAILED, f"not started: {error}")
            raise

    def _submitted(self, spec: Spec) -> None:
        job = self._store.job(spec.job_id)
        # First: this may ask Slurm a question, and if Slurm does not answer, nothing is submitted.
        script = self._script(job)
        arguments = [
            *self._arguments(spec, job),
            *self._dependencies(spec),
            *self.asked(wishes.of(spec)).arguments(spec.timeout_s),
        ]
        self._confirm(spec.job_id, self._commands.submit(arguments, script))
        self._watcher.hurry()

    def _arguments(self, spec: Spec, job: JobDir) -> list[str]:
        return [
            # A requeued job would start again although it may have done half of its work.
            "--no-requeue",
            "--nodes=1",
            "--ntasks=1",
            "--export=ALL",
            "--chdir=/",
            f"--comment={COMMENT}{spec.job_id}",
            f"--job-name={spec.name or spec.job_id}",
            f"--output={job.path.replace('%', '%%')}/engine.log",
        ]

    def _script(self, job: JobDir) -> str:
        wait = self._commands.kill_wait_s()
        python = self._site.python
        return _SCRIPT.format(
            runner=shlex.quote(runner_package(self._store.state.path)),
            root=self._store.state.path.replace('"', "'"),
            python=shlex.quote(python),
            python_told=python.replace('"', "'"),
            job=shlex.quote(job.path),
            kill_wait=f" MCP_BG_KILL_WAIT_S={wait:g}" if wait is not None else "",
            tcp=" tcp" if self._commands.control == "tcp" else "",
        )

    def _dependencies(self, spec: Spec) -> list[str]:
        """Return the arguments that make Slurm start a job after others.

        Raises:
            AfterFailedError: one of them has failed.
            UnsureError: Slurm is not known to have one of them.
        """
        needed: list[str] = []
        for other in spec.after:
            seen = told(self._store.job(other))
            if seen.state is State.EXITED:
                if seen.outcome is not Outcome.COMPLETED:
                    raise AfterFailedError(behind(other, seen.outcome))
                continue
            noted, claim = native.read(self._store.job(other)), claims.claim_of(self._store.job(other))
            native_id = (claim and claim.native_id) or (noted.native_id if noted else "")
            if not native_id:
                raise UnsureError(other)
            needed.append(native_id)
        return [f"--dependency=afterok:{':'.join(needed)}", "--kill-on-invalid-dep=yes"] if needed else []

    def _confirm(self, job_id: str, native_id: str) -> None:
        job = self._store.job(job_id)
        noted = native.read(job) or Native(time.time())
        with contextlib.suppress(FileNotFoundError):  # the job has ended already, and its directory was removed
            self._note(job_id, dataclasses.replace(noted, native_id=native_id))
        self._store.submitted(job_id)

    # -- what others have begun ------------------------------------------------------------------------------------

    async def finish_others(self) -> None:
        """Look for submissions that are not confirmed, and repeat those that Slurm does not have."""
        for job_id in await lanes.look(self._store.to_be_submitted):
            spec = await lanes.look(self._unconfirmed, job_id)
            if spec is not None:
                await lanes.write(self._note_again, job_id)
                with contextlib.suppress(LaunchError, EngineUnreachableError, InvalidRequestError):  # on record
                    await self._submit(spec)

    def _unconfirmed(self, job_id: str) -> Spec | None:
        """Return the spec of a job that must be submitted again, if Slurm certainly does not have it."""
        spec, job = self._store.spec(job_id), self._store.job(job_id)
        if spec is None or job.has_exit or claims.is_claimed(job):
            if spec is not None or not os.path.isdir(job.path):  # a directory without a spec may yet get one
                self._store.submitted(job_id)
            return None
        noted = native.read(job)
        asked_at = noted.asked_at if noted else spec.created_at
        picture = self._watcher.picture
        if known := picture.jobs.get(job_id):
            self._confirm(job_id, min((one.line.native_id for one in known), key=int))
            return None
        if noted and noted.cluster != self._commands.cluster:
            return None
        if time.time() - asked_at < REPEAT_AFTER_S:
            return None
        if picture.answered_at < asked_at + REPEAT_AFTER_S:
            self._watcher.wait_for_turn()
            return None
        return spec

    def _note_again(self, job_id: str) -> None:
        noted = native.read(self._store.job(job_id)) or Native(0.0, cluster=self._commands.cluster)
        self._note(job_id, dataclasses.replace(noted, asked_at=time.time()))
