"""The decisions of a feeder: whose turn it is, what happens to sent prompts, and when to ask again. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import Enum, auto

from mcp_background_job.comfyui.prompts.cancel_plan import Place
from mcp_background_job.core.comfyui.batch import Batch
from mcp_background_job.core.comfyui.submission import Stage

#: Seconds between attempts to reach a silent server; the last one is repeated. The server may be restarting, which
#: takes seconds, or be off for the night.
BACKOFF_S = (5.0, 10.0, 30.0, 60.0)


def backoff_s(failures: int) -> float:
    """Return how many seconds to wait after so many failures in a row."""
    return BACKOFF_S[min(failures, len(BACKOFF_S)) - 1]


class Fate(Enum):
    """What to do with a prompt that was sent."""

    KEEP = auto()  #: it runs, or waits at the server
    SETTLE = auto()  #: the history says how it ended
    AGAIN = auto()  #: the server does not have it and will not: it is sent again
    TAKEN_OUT = auto()  #: somebody took it out of the queue
    FORGOTTEN = auto()  #: it ran, and the server no longer says how it ended


def fate_of(place: Place, *, stage: Stage, server_is_new: bool, has_run: bool) -> Fate:
    """Return the fate of a prompt.

    Args:
        place: where it is at the server, after looks for so long that a submission under way would have arrived.
        stage: the stage of its submission in the journal.
        server_is_new: whether the server was, or may have been, restarted since it was sent (a restart empties the
            queue); or whether it was taken out to be sent again.
        has_run: whether it was reported to run.
    """
    if place is Place.ENDED:
        return Fate.SETTLE
    if place is not Place.ABSENT:
        return Fate.KEEP
    if stage is Stage.SENDING or server_is_new:
        return Fate.AGAIN
    return Fate.FORGOTTEN if has_run else Fate.TAKEN_OUT


#: The reasons in the journal for prompts that the server does not have any more.
REASONS = {
    Fate.AGAIN: "ComfyUI was restarted before it ended, and a restart empties its queue",
    Fate.TAKEN_OUT: "somebody took it out of the queue of ComfyUI",
    Fate.FORGOTTEN: "it ran, but ComfyUI's history was cleared before its end could be read",
}


def whose_turn(batches: Collection[Batch], at_server: Mapping[str | None, int]) -> list[str]:
    """Return the batches of which another prompt may be sent.

    Each batch keeps its own limit, and all together keep the largest of them: a second batch must not fill the queue.

    Args:
        batches: the open batches of one server.
        at_server: how many prompts of each are there.
    """
    sending = [batch for batch in batches if not batch.cancel_requested and not batch.is_paused]
    most = max((batch.max_queued for batch in sending), default=0)
    if sum(at_server.values()) >= most:
        return []
    return [batch.batch_id for batch in sending if at_server.get(batch.batch_id, 0) < batch.max_queued]
