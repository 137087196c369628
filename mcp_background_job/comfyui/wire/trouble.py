"""The different ways in which a server does not answer; none of them means an empty queue."""

from __future__ import annotations

from enum import StrEnum

from mcp_background_job.core.text import one_line
from mcp_background_job.errors import UnreachableError

#: Characters of a detail: if an answer is not HTTP, the library's message repeats it.
_DETAIL = 200


class Trouble(StrEnum):
    """Why there is no answer."""

    REFUSED = "refused"  #: nothing listens on the port
    UNREACHABLE = "no_route"  #: the host cannot be reached or resolved
    SILENT = "silent"  #: connections are accepted, and requests are not answered in time
    DROPPED = "dropped"  #: the connection was closed in the middle of a request
    FORBIDDEN = "forbidden"  #: 401 or 403
    BROKEN = "broken"  #: a 5xx, or an answer that makes no sense
    HISTORY = "history"  #: it answers requests except those for its history
    NOT_COMFYUI = "not_comfyui"  #: something else answers there


#: The trouble in words, and the next step.
_ADVICE = {
    Trouble.REFUSED: "nothing listens there: ComfyUI is down, still starting, or on another port (start_comfyui, "
    "COMFYUI_URL)",
    Trouble.UNREACHABLE: "the host cannot be reached: check COMFYUI_URL and the network",
    Trouble.SILENT: "it accepts connections and does not answer: its interpreter is held, or a signal has stopped its "
    'process. If that lasts, comfyui_status tells which, and restart_comfyui(force=true, requeue="pending") helps',
    Trouble.DROPPED: "it closed the connection in the middle of a request: it may have just died or be restarting",
    Trouble.FORBIDDEN: "it refuses access: a proxy or a login is in front of it (COMFYUI_TOKEN, COMFYUI_HEADERS)",
    Trouble.BROKEN: "it answers with an error of its own",
    Trouble.HISTORY: "it answers, but one entry breaks its whole history, as the ui of a node does that is not JSON "
    "(comfyui_clear_history(keep=0) removes it)",
    Trouble.NOT_COMFYUI: "what answers there is not ComfyUI: check COMFYUI_URL",
}

#: The same for a ComfyUI that can only be started and restarted on its own machine.
_FAR_ADVICE = _ADVICE | {
    Trouble.REFUSED: "nothing listens there: ComfyUI is down, still starting, or on another port. Start it on its "
    "machine, or check COMFYUI_URL",
    Trouble.SILENT: "it accepts connections and does not answer: its interpreter is held, or a signal has stopped its "
    "process. If that lasts, restart it on its machine",
}


def unreachable(url: str, trouble: Trouble, detail: str, *, is_near: bool) -> UnreachableError:
    """Return the error for a server that does not answer: the reason, and the next step.

    ``is_near`` says whether the server can be started and restarted from here.
    """
    advice = (_ADVICE if is_near else _FAR_ADVICE)[trouble]
    return UnreachableError(f"ComfyUI at {url}: {advice} ({one_line(detail, _DETAIL)})", trouble=trouble)
