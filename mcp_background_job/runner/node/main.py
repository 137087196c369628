"""``python -I -S runner.pyz JOB_DIRECTORY [tcp]``: runs a job, in the foreground of the engine's process.

``tcp``: clients may connect over TCP as well. Or ``… --relay JOB_DIRECTORY``: carries requests from another machine to
the runner on this one, over stdin and stdout. Or ``… --forward PORT``: carries connections to a port of this machine in
the same way. Or ``… --apart DIRECTORY``: runs a job that came in a parcel, on a node that shares no files
(``runner.node.apart``).

It exits as its job did: then the engine's records, and jobs that depend on this one there, are right.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace

from mcp_background_job.core.states import Outcome
from mcp_background_job.errors import BackgroundJobError, CorruptRecordError, LaunchError
from mcp_background_job.jobdir import order, records, runners
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.marks import waiting_of
from mcp_background_job.jobdir.records import Exit, Spec
from mcp_background_job.runner import signals
from mcp_background_job.runner.node import claim
from mcp_background_job.runner.node.site import Node
from mcp_background_job.runner.supervisor import Supervisor
from mcp_background_job.runner.system import become_subreaper, name_process

#: Variables by which the engine tells a job which of the node's resources it may use, and how to ask for more.
_ENGINE_PREFIXES = ("SLURM_", "SLURMD_")
_ENGINE_NAMES = (
    "CUDA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL",
    "ZE_AFFINITY_MASK",
    "TMPDIR",
)

#: Exit statuses: those of a shell for a signal and for a command that cannot be started, that of timeout(1), and
#: EX_SOFTWARE of sysexits(3) for an error of the runner itself.
_SIGNALLED = 128
_TIMED_OUT = 124
_NOT_STARTED = 127
_CRASHED = 70


def main(arguments: list[str]) -> None:
    """Do what the arguments say, and exit."""
    if arguments[0] == "--relay":
        from mcp_background_job.runner.node.relay import serve  # noqa: PLC0415  another process than a runner

        serve(JobDir(arguments[1]))
        return
    if arguments[0] == "--forward":
        from mcp_background_job.runner.node import forwarding  # noqa: PLC0415  see above

        forwarding.serve(int(arguments[1]))
        return
    if arguments[0] == "--apart":
        from mcp_background_job.runner.node.apart import main as run_apart  # noqa: PLC0415  see above

        sys.exit(run_apart(arguments[1]))
    signals.settle()
    job = JobDir(arguments[0])
    node = os.environ.get("SLURMD_NODENAME") or os.uname().nodename
    try:
        sys.exit(_run_once(job, Node(node, tcp="tcp" in arguments[1:]), node))
    except BackgroundJobError as error:
        sys.exit(f"{error} (on {node})")
    except OSError as error:
        sys.exit(f"job {job.job_id} cannot be run on {node}: {error}")


def _run_once(job: JobDir, site: Node, node: str) -> int:
    if not claim.take(job, os.environ.get("SLURM_JOB_ID", ""), node):
        print(f"job {job.job_id} is not run again: {claim.holder(job)} has it")  # noqa: T201  the engine's log
        return 0
    if job.has_exit:  # it was withdrawn while it was queued
        print(f"job {job.job_id} is not run: it has ended")  # noqa: T201
        return 0
    spec = records.read(Spec, job.spec)
    if spec is None:
        raise CorruptRecordError(f"{job.path} has no spec.json: there is nothing to run")
    order.leave(job.state_dir, waiting_of(spec))  # this shows waiting clients that its turn has come
    name_process(runners.name_of_runner(job.job_id))
    supervisor = _supervisor(job, spec, site)
    status = run(supervisor, spec, node)
    _tell_of_ends(([job] if spec.on_end else []) + supervisor.withdrawn)
    return status


def _engine_environment() -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if name.startswith(_ENGINE_PREFIXES) or name in _ENGINE_NAMES
    }


def _supervisor(job: JobDir, spec: Spec, site: Node) -> Supervisor:
    here = replace(spec, env={**spec.env, **_engine_environment()})
    return Supervisor(job, here, has_subreaper=become_subreaper(), site=site)


def run(supervisor: Supervisor, spec: Spec, node: str, cure: str = "give one that all nodes share") -> int:
    """Run a job to its end; returns the exit code. ``cure``: advice for a directory that does not exist."""
    try:
        supervisor.start()
    except LaunchError as error:
        why = f"not started on {node}: {error}{'' if os.path.isdir(spec.cwd) else f'; {cure}'}"
        supervisor.give_up(why)
        print(why)  # noqa: T201
        return _NOT_STARTED
    return exit_status(supervisor.run())


def _tell_of_ends(ended: list[JobDir]) -> None:
    """Run the commands at the ends of jobs, MCP_BG_ON_END, and wait: the engine ends all that is left here."""
    if ended:
        from mcp_background_job.runner import on_end  # noqa: PLC0415  most jobs have none

        for job in ended:
            on_end.run(job)


def exit_status(end: Exit) -> int:
    """Return a runner's exit code for a job with this end."""
    if end.outcome == Outcome.KILLED:
        return _SIGNALLED + signal.SIGTERM
    if end.outcome == Outcome.TIMED_OUT:
        return _TIMED_OUT
    if end.exit_code is not None:
        return end.exit_code
    known = signal.Signals.__members__.get(end.signal or "")
    return _SIGNALLED + known if known else _CRASHED
