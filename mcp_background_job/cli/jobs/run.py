"""``run``: start a command in the background."""

from __future__ import annotations

from typing import Annotated

from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.arguments import (
    AsJson,
    Follow,
    OptionalSeconds,
    command_of,
    directory,
    separated,
    variables,
)
from mcp_background_job.cli.jobs import started
from mcp_background_job.cli.jobs.exit_codes import of_job
from mcp_background_job.cli.jobs.follow import Follower
from mcp_background_job.cli.jobs.printers import BytePrinter
from mcp_background_job.cli.parameter import Parameter
from mcp_background_job.cli.session import CLIENT, with_manager
from mcp_background_job.cli.wording import PROGRAM
from mcp_background_job.core.job import Job
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.executors import looping
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import Again, IfRunning, Leftovers, StartRequest, Stdin


def run(
    *command: Annotated[str, Parameter(is_required=True, help="The command, after --.")],
    name: str | None = None,
    cwd: str | None = None,
    env: list[str] | None = None,
    stdin: Stdin = "closed",
    timeout: OptionalSeconds = None,
    after: list[str] | None = None,
    leftovers: Leftovers = "keep",
    if_running: IfRunning = "return",
    restart: Again = "no",
    on: str = "",
    follow: Follow = False,
    as_json: AsJson = False,
) -> int:
    """Start a command in the background, and print the job's id.

    A single argument after -- is a shell command line: run -- 'make 2>&1 | tee log'. Several arguments are the words of
    a command, and each stays one word: run -- make -j 8.

    Args:
        *command: The command, after --.
        name: A name for the job. It works wherever the id does.
        cwd: Working directory.
        env: A variable for its environment, as NAME=VALUE; may be repeated.
        stdin: What the command reads: nothing, what send sends, or a terminal of its own.
        timeout: Stop the job after this time, in seconds or as 5m, 2h.
        after: Start the job when this one has completed; may be repeated.
        leftovers: What happens to background processes that outlive the command: with keep the job lasts as long as
            they do, kill ends them.
        if_running: What to do when a job of this name runs: return that one, restart it, or start a new one beside it.
        restart: Whether to start the job again when it fails: each time later, and at most 10 times in a row.
        on: Where to run the job: "slurm gpus=1 cpus=8 mem=64G time=4h" queues it on the cluster, "ray gpus=1" on a
            Ray cluster.
            Keys are gpus, cpus and mem, for Slurm also time, partition, account, qos, constraint, gres and reservation,
            for Ray resources; places shows what there is.
        follow: Print the output until the job is over, and exit with its exit code. Ctrl-C leaves it running.
        as_json: Print JSON, with the same field names everywhere.
    """
    if follow and as_json:
        raise InvalidRequestError(
            "--follow prints the job's output: leave out --json, and use status --json afterwards"
        )
    request = StartRequest(
        command=command_of(command),
        name=name,
        cwd=directory(cwd),
        env=variables(env),
        stdin=stdin,
        timeout_s=timeout,
        after=tuple(separated(after)),
        leftovers=leftovers,
        if_running=if_running,
        restart=restart,
        on=on,
    )
    return with_manager(lambda manager: _run(manager, request, follow=follow, as_json=as_json))


async def _run(manager: JobManager, request: StartRequest, *, follow: bool, as_json: bool) -> int:
    job = await manager.start(request, client=CLIENT)
    if follow:
        if job.note:
            terminal.say(job.note)
        terminal.say(started.sentence(job))
        return await _follow(manager, job.job)
    await started.report(manager, job, as_json=as_json)
    return exit_codes.TROUBLE if started.is_never(job) else exit_codes.OK


async def _follow(manager: JobManager, job: Job) -> int:
    await looping.needed()
    import asyncio  # noqa: PLC0415  see ``looping``

    try:
        printer = BytePrinter(drawn=terminal.for_people())
        async for piece in Follower(manager, job, 0).pieces():
            printer.feed(piece)
    except asyncio.CancelledError:  # Ctrl-C
        terminal.say_interrupted(
            f"job {job.label} runs on; {PROGRAM} kill {job.job_id} stops it, logs -f shows its output"
        )
        raise
    return of_job(await manager.find(job.job_id))
