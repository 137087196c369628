"""Signs of trouble that a look at a server shows, before anybody tries to cancel: cheap, and only evidence."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from mcp_background_job.comfyui.process.process import Baseline, Baselines, ServerProcess, worker_gone
from mcp_background_job.comfyui.prompts.prompts import Prompt
from mcp_background_job.core.text import duration, size
from mcp_background_job.executors import lanes
from mcp_background_job.processes.portrait import Portrait
from mcp_background_job.processes.threads import Activity, all_idle

#: Seconds within which a sampler of a large video model reports a step.
QUIET_S = 180.0

#: Bytes: with less room, a batch of pictures or one video cannot be written.
_ROOM = 500 * 1024**2

#: States of a process that a signal has stopped.
SUSPENDED = ("T", "t")

_OUTPUT = "--output-directory"


@dataclass(frozen=True)
class Signs:
    """The observed signs.

    Attributes:
        suspended_pid: the server's process, if a signal has stopped it.
        worker_gone: whether a thread from before the running prompt has ended, and no other works.
        quiet_s: seconds since the last report on the running prompt; 0 if unknown.
        output_directory: the directory for outputs.
        room: the free bytes there; ``None`` if unknown.
    """

    suspended_pid: int | None = None
    worker_gone: bool = False
    quiet_s: float = 0.0
    output_directory: str = ""
    room: int | None = None


def told(signs: Signs) -> tuple[str, ...]:
    """Return the trouble in sentences, each with what to do; none if nothing is wrong."""
    sentences: list[str] = []
    if signs.suspended_pid is not None:
        sentences.append(
            f"ComfyUI's process is stopped by a signal (SIGSTOP or SIGTSTP), and nothing runs: kill -CONT "
            f"{signs.suspended_pid} lets it go on and loses nothing, restart_comfyui ends it"
        )
    if signs.worker_gone:
        sentences.append(
            "the thread that runs prompts seems to have ended, and nothing will run: comfyui_cancel_job makes sure, "
            'restart_comfyui(force=true, requeue="pending") helps'
        )
    if signs.quiet_s >= QUIET_S:
        sentences.append(
            f"the running prompt has given no sign for {duration(signs.quiet_s)}: comfyui_cancel_job finds out "
            "whether it hangs, and stops it"
        )
    if signs.room is not None and signs.room < _ROOM:
        sentences.append(f"{signs.output_directory}, where outputs are written, has only {size(signs.room)} free")
    return tuple(sentences)


async def seen(
    process: ServerProcess | None,
    activity: Activity | None,
    baselines: Baselines,
    running: Prompt | None,
    *,
    port: int,
) -> Signs:
    """Look at a server on this machine, with or without a running prompt."""
    heard = running.progress if running else None
    quiet_s = time.monotonic() - heard.moved_at if heard and heard.source == "websocket" and heard.moved_at else 0.0
    if process is None:
        return Signs(quiet_s=quiet_s)

    def look() -> Signs:
        directory = output_directory_of(process.portrait)
        return Signs(
            suspended_pid=process.pid if activity and activity.state in SUSPENDED else None,
            worker_gone=_is_worker_gone(process, activity, baselines.get(port), running),
            quiet_s=quiet_s,
            output_directory=directory,
            room=_room_in(directory) if directory else None,
        )

    return await lanes.scan(look)


def output_directory_of(portrait: Portrait) -> str:
    """Return the directory where a ComfyUI writes its outputs, from its arguments; empty if that is unknown."""
    argv, cwd = portrait.argv, portrait.cwd or ""
    for place, argument in enumerate(argv):
        name, _, value = argument.partition("=")
        if name == _OUTPUT:
            value = value or (argv[place + 1] if place + 1 < len(argv) else "")
            return os.path.join(cwd, value) if value else ""  # noqa: PTH118  an absolute value stays as it is
    script = next((argument for argument in argv if Path(argument).name == "main.py"), "")
    return str(Path(cwd, script).parent / "output") if script and (cwd or Path(script).is_absolute()) else ""


def _is_worker_gone(
    process: ServerProcess, activity: Activity | None, baseline: Baseline | None, running: Prompt | None
) -> bool:
    # This is one sample: a working thread waits for a lock now and then, so it only counts if a thread is missing.
    idle = all_idle([activity, activity]) if activity else None
    since = running.submitted_at if running else None
    return idle is True and worker_gone(process, baseline, running_since=since, idle=idle) is True


def _room_in(directory: str) -> int | None:
    try:
        return shutil.disk_usage(directory).free
    except OSError:  # it is made with the first output, or is not ours to look into
        return None
