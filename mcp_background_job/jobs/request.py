"""What a caller asks for when starting a job, checked before anything is started or written."""

from __future__ import annotations

import math
import os
import re
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from mcp_background_job.core.job import ID_ALPHABET, ID_LENGTH, check_name
from mcp_background_job.core.telling import Telling, telling
from mcp_background_job.core.text import command_on_one_line
from mcp_background_job.errors import CommandRefusedError, InvalidRequestError, NameTakenError
from mcp_background_job.jobdir import parcels
from mcp_background_job.jobdir.layout import COOKIE_VARIABLE, JOB_ID_VARIABLE
from mcp_background_job.jobdir.records import NO_LIMIT, Spec
from mcp_background_job.jobs.attempts import ATTEMPTS_FILE, MOST, repeated
from mcp_background_job.jobs.inherited.environment import plain_output, terminal_output, without_secrets
from mcp_background_job.jobs.inherited.inheritance import Inherited
from mcp_background_job.jobs.inherited.shell import MAX_ARGUMENT, argv_of, command_from, is_too_long, telling_shell
from mcp_background_job.jobs.policy import GRACE_S, Policy

Stdin = Literal["closed", "pipe", "pty"]
IfRunning = Literal["return", "restart", "new"]
Leftovers = Literal["keep", "kill"]
Again = Literal["no", "on-failure"]

#: Keeps bytes in a file of the job that has this name; returns the file's path.
Keep = Callable[[str, bytes], str]

#: Names of those files.
COMMAND_FILE = "command"
STDIN_FILE = "stdin"

#: Characters of a command that an error tells.
_TOLD = 200

#: The parent of what belongs to the user alone.
ROOT = ""

#: By these, many programs reload, reopen their logs or tell how far they are, and go on.
_OFTEN_ONLY_SENT = ("HUP", "USR1", "USR2")

#: What asks a job to end where nobody has said with what.
STOP_SIGNAL = "TERM"

_STOP_SIGNALS = (STOP_SIGNAL, "INT", "HUP", "QUIT", "KILL", "USR1", "USR2", "ABRT")


@dataclass(frozen=True, kw_only=True)
class StartRequest:
    """A job to be started.

    Attributes:
        command: for the shell.
        name: the caller's name for it.
        cwd: working directory; the configured one without it.
        env: variables to add to the environment.
        stdin: ``closed``, ``pipe`` or ``pty``.
        timeout_s: time limit; the configured one without it.
        after: ids or names of jobs that must complete first.
        if_running: what to do when a job of this name has not ended.
        restarted_from: the job that it repeats.
        environment: the whole environment, instead of ours.
        is_own: the command is this program's own and not a caller's: neither the patterns for commands nor the
            configured limits of time and of jobs are meant for it.
        guarded: what the patterns for commands are held against, if not the command; empty: nothing, since no caller
            has chosen the program.
        job_id: an id that ``JobManager.claim_id`` gave.
        stdin_file: a file with what the stdin begins with; with ``stdin="closed"`` that is all of it.
        stdin_text: the same, as text.
        shell: what the command is given to; the configured one without it.
        idle_timeout_s: stop it when it has neither written nor been sent anything for so many seconds.
        leftovers: ``kill`` ends what outlives the command itself; with ``keep`` the job lives as long as that does.
        restart: whether it is started again when it fails: see ``jobs.attempts``.
        attempts: repetitions in a row after which that is given up.
        pools: names of limits that it shares with other jobs, and how many jobs of each may run at once.
        max_output: bytes of log kept, if more than the settings say.
        large_pipes: give its output much room, for programs that exit without waiting until it is read.
        parent: id of the job that it ends with; ``ROOT`` for none. Without it: the job that this process runs in.
        project: that it belongs to, empty for none; without it that of this process. Its name is one of that project.
        reader: who is to be told of its end, empty for nobody.
        stop_signal: the full name of the signal that ends it best, for its runner at a time limit; SIGTERM without it.
        stop_grace_s: how long it is given for that.
        on: where it runs, and what is asked of that place: ``slurm gpus=1``; empty for this machine.
    """

    command: str
    name: str | None = None
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    stdin: Stdin = "closed"
    timeout_s: float | None = None
    after: tuple[str, ...] = ()
    if_running: IfRunning = "return"
    restarted_from: str | None = None
    environment: Mapping[str, str] | None = None
    is_own: bool = False
    guarded: str | None = None
    job_id: str | None = None
    stdin_file: str | None = None
    stdin_text: str | None = None
    shell: tuple[str, ...] = ()
    idle_timeout_s: float | None = None
    leftovers: Leftovers = "keep"
    restart: Again = "no"
    attempts: int = MOST
    pools: Mapping[str, int] = field(default_factory=dict[str, int])
    max_output: int = 0
    large_pipes: bool = False
    parent: str | None = None
    project: str | None = None
    reader: str = ""
    stop_signal: str | None = None
    stop_grace_s: float | None = None
    on: str = ""


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What is to be other than it was when a job is started again.

    Attributes:
        command: the same without it.
        cwd: the same without it.
        env: variables beside, or instead of, those that it was started with.
        grace_s: until SIGKILL, for what still runs.
    """

    command: str | None = None
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    grace_s: float = GRACE_S


def check_grace(grace_s: float) -> None:
    """Check a grace period.

    Raises:
        InvalidRequestError: it is none.
    """
    if not 0 <= grace_s < math.inf:
        raise InvalidRequestError(f"grace_s={grace_s:g}: a grace period is 0 seconds or more, and finite")


def check(request: StartRequest, policy: Policy, *, is_apart: bool = False) -> str:
    """Check a request; returns the working directory.

    Args:
        request: what is asked for.
        policy: what may be.
        is_apart: it is to run on a machine that has no directories of this one.

    Raises:
        InvalidRequestError: something in it cannot be used.
        CommandRefusedError: the command is not among the allowed ones.
    """
    if not request.command.strip():
        raise InvalidRequestError("command is empty: give a command for the shell")
    if "\0" in request.command:
        raise InvalidRequestError("command holds a NUL byte, which no command can")
    if request.name is not None and request.restarted_from is None:  # it has it already
        check_name(request.name)
    _check_env(request.env)
    if request.stdin not in get_args(Stdin):
        raise InvalidRequestError(f"stdin={request.stdin!r}: give closed, pipe or pty")
    for name, limit in (("timeout_s", request.timeout_s), ("idle_timeout_s", request.idle_timeout_s)):
        if limit is not None and not 0 < limit < math.inf:
            raise InvalidRequestError(f"{name}={limit:g}: a time limit is more than 0 seconds, and finite")
    guarded = request.command if request.guarded is None else request.guarded
    if not request.is_own and guarded and not _is_allowed(guarded, policy):
        raise CommandRefusedError(
            f"{guarded!r} matches none of the patterns in MCP_BG_ALLOWED_COMMANDS: {', '.join(policy.allowed_commands)}"
        )
    if is_apart and request.restart != "no":  # what starts it again is of this machine
        raise InvalidRequestError(f"restart={request.restart!r}: a command that has failed is not started again there")
    return _elsewhere(request.cwd) if is_apart else _checked_directory(request.cwd, policy.working_dir)


def check_same(label: str, live: Spec, command: str, cwd: str) -> None:
    """Check that a live job is what is asked for, and not only called so.

    Raises:
        NameTakenError: it has another command, or runs in another directory.
    """
    if live.command == command and os.path.realpath(live.cwd) == os.path.realpath(cwd):
        return
    pairs = ((live.command, live.cwd), (command, cwd))
    runs, asked = (f"`{command_on_one_line(what, _TOLD)}` in {where}" for what, where in pairs)
    raise NameTakenError(
        f"the name is taken: job {label}, which is live, runs {runs}, and you ask for {asked}. Give another name, or "
        'if_running="restart" to replace that job, or if_running="new" to run both'
    )


def _is_allowed(command: str, policy: Policy) -> bool:
    return not policy.allowed_commands or any(re.match(pattern, command) for pattern in policy.allowed_commands)


def _check_env(env: Mapping[str, str]) -> None:
    for variable, value in env.items():
        if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]  callers hand us JSON
            raise InvalidRequestError(f"env: the value of {variable} is {type(value).__name__}, not a string")
        if not variable or "=" in variable or "\0" in variable + value:
            raise InvalidRequestError(f"env: {variable!r} cannot be the name or hold the value of a variable")
        if is_too_long(f"{variable}={value}"):
            raise InvalidRequestError(
                f"env: {variable} has {len(os.fsencode(value)):,} bytes, and the kernel takes no variable above "
                f"{MAX_ARGUMENT:,} with its name: write them to a file and pass its path, or pass them as stdin_text"
            )


def _elsewhere(asked: str | None) -> str:
    """Return a directory of another machine, which that will check: the home of its user if none is asked for."""
    path = os.path.normpath(asked) if asked else parcels.HOME
    if path != parcels.HOME and not os.path.isabs(path):
        raise InvalidRequestError(f"cwd {asked} is relative: give the whole path that the nodes have")
    return path


def _checked_directory(asked: str | None, default: str) -> str:
    path = os.path.normpath(os.path.join(default, os.path.expanduser(asked))) if asked else default
    if not os.path.exists(path):
        raise InvalidRequestError(f"cwd {path} does not exist")
    if not os.path.isdir(path):
        raise InvalidRequestError(f"cwd {path} is not a directory")
    if not os.access(path, os.X_OK):
        raise InvalidRequestError(f"cwd {path} cannot be entered")
    return path


def spec_of(
    request: StartRequest,
    policy: Policy,
    *,
    job_id: str,
    identity: str,
    cwd: str,
    after: list[str],
    client: str,
    ancestors: list[str],
    inherited: Inherited,
    keep: Keep,
) -> Spec:
    """Return what the runner needs to know; ``identity`` is that of the job's directory."""
    import secrets  # noqa: PLC0415  only for who starts a job

    cookie = f"{identity}-{secrets.token_hex(16)}"
    whole = request.environment
    base = inherited_by(request.stdin, inherited.variables) if whole is None else without_secrets(whole)
    env = {**base, **request.env, JOB_ID_VARIABLE: job_id, COOKIE_VARIABLE: cookie}
    limit = None if request.is_own else policy.timeout_s
    argv = _argv(request, policy, keep)
    attempts_file = keep(ATTEMPTS_FILE, b"") if request.restart == "on-failure" else None
    told = _telling(request, policy)
    return Spec(
        job_id=job_id,
        command=request.command,
        argv=argv if attempts_file is None else repeated(argv, attempts_file, request.attempts),
        attempts_file=attempts_file,
        cwd=cwd,
        env=env,
        created_at=time.time(),
        cookie=cookie,
        max_output=max(policy.max_output, request.max_output),
        max_jobs=NO_LIMIT if request.is_own else policy.max_jobs,  # release 1.0.0 counts our own too
        name=request.name,
        stdin=request.stdin,
        timeout_s=request.timeout_s if request.timeout_s is not None else limit,
        after=after,
        client=client,
        restarted_from=request.restarted_from,
        idle_timeout_s=request.idle_timeout_s,
        leftovers=request.leftovers,
        stdin_file=_stdin_file(request, keep),
        pools=dict(request.pools),
        large_pipes=request.large_pipes,
        is_own=request.is_own,
        env_from=inherited.source,
        parent=ancestors[0] if ancestors else None,
        ancestors=ancestors,
        max_descendants=policy.max_descendants,
        max_depth=policy.max_depth,
        tells_stages=told.at_end,
        tells_passed=told.passed,
        pipelines=["\n".join(stages) for stages in told.told],
        untold=told.untold,
        background=list(told.background),
        tells_each=told.each,
        project=policy.project if request.project is None else request.project,
        reader=request.reader,
        on_end="" if request.is_own else policy.on_end,
        stop_signal=request.stop_signal,
        stop_grace_s=request.stop_grace_s,
        on=" ".join(request.on.split()),
    )


def inherited_by(stdin: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a job with such a stdin inherits of an environment."""
    return {**environment, **(terminal_output if stdin == "pty" else plain_output)(environment)}


def _argv(request: StartRequest, policy: Policy, keep: Keep) -> list[str]:
    shell = request.shell or policy.shell
    if not is_too_long(request.command):
        return argv_of(shell, request.command)
    path = keep(COMMAND_FILE, os.fsencode(request.command))
    return argv_of(shell, command_from(path, shell))


def _telling(request: StartRequest, policy: Policy) -> Telling:
    if request.is_own:
        return Telling()
    # What is too long is read by the shell from a file, as one command; what is started again is not ours to spawn.
    is_ours = request.restart == "no" and not is_too_long(request.command)
    return telling(request.command, telling_shell(request.shell or policy.shell) if is_ours else "")


def _stdin_file(request: StartRequest, keep: Keep) -> str | None:
    if request.stdin_text is None:
        return request.stdin_file
    return keep(STDIN_FILE, os.fsencode(request.stdin_text))


def new_job_id() -> str:
    """Return a job id that is probably free."""
    import secrets  # noqa: PLC0415  see above

    return "j" + "".join(secrets.choice(ID_ALPHABET) for _ in range(ID_LENGTH))


def signal_to_send(name: str | None, *, signal_only: bool | None) -> int | None:
    """Return the number of a signal that is to be sent and to stop nothing; ``None`` if it is to stop a job.

    Raises:
        InvalidRequestError: it can do neither; or nobody has said which of the two it is to do, and it is one by which
            most mean the former.
    """
    if name is None:
        if signal_only:
            raise InvalidRequestError("signal_only=true sends a signal: give signal, HUP, USR1, STOP, CONT or such")
        return None
    short = name.upper().removeprefix("SIG")
    if signal_only:
        return _number(name, f"SIG{short}")
    if signal_only is None and short in _OFTEN_ONLY_SENT:
        raise InvalidRequestError(
            f"signal {name!r} most often asks a program to reload: say signal_only=true to send it and stop nothing, "
            "or signal_only=false to stop the job with it, by SIGKILL in the end"
        )
    stop_signal(name)
    return None


def _number(name: str, full: str) -> int:
    if full not in signal.Signals.__members__ or full == "SIGKILL":
        raise InvalidRequestError(f"signal {name!r} cannot be sent: give HUP, USR1, USR2, STOP, CONT, WINCH or such")
    return signal.Signals[full].value


def stop_signal(name: str) -> str:
    """Return the full name of a signal that asks a process to end.

    Raises:
        InvalidRequestError: it is none of those.
    """
    short = name.upper().removeprefix("SIG")
    if short not in _STOP_SIGNALS:
        raise InvalidRequestError(
            f"signal {name!r} stops no job: give one of {', '.join(_STOP_SIGNALS)}, or signal_only=true to send it and "
            "stop nothing"
        )
    return signal.Signals[f"SIG{short}"].name
