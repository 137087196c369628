"""Requests to several ComfyUIs at once, or to the one that is meant. If there is only one, it alone is asked."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from mcp_background_job.comfyui.batches.server_queue import PausedQueue
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.outputs.download import ALL, Choice, Downloaded, Headway
from mcp_background_job.comfyui.prompts.cancel import Cancelled
from mcp_background_job.comfyui.prompts.catalogue import Among, Explained, Listing, in_order
from mcp_background_job.comfyui.prompts.history import Cleared
from mcp_background_job.comfyui.prompts.prompts import Prompt
from mcp_background_job.comfyui.prompts.uploads import Uploaded, Wish
from mcp_background_job.comfyui.reports.status import Status
from mcp_background_job.comfyui.wire.node_outputs import OutputFile
from mcp_background_job.errors import InvalidRequestError, UnreachableError


async def statuses(comfyui: ComfyUI) -> list[Status]:
    """Look at each; if there are several, prompts name their ComfyUI."""
    members = await comfyui.members.all()
    found = list(await asyncio.gather(*(one.status() for one in members)))
    if len(found) == 1:
        return found
    return [replace(one, running=_named(one.running, one.url), pending=_named(one.pending, one.url)) for one in found]


def as_one(found: Sequence[Status]) -> Status:
    """Return several as one: the first that answers, with the prompts of all, and the trouble of the others."""
    first = next((one for one in found if one.trouble is None), found[0])
    silent = [f"ComfyUI at {one.url} may be unwell: {one.trouble}" for one in found if one.trouble]
    return replace(
        first,
        running=tuple(prompt for one in found for prompt in one.running),
        pending=tuple(prompt for one in found for prompt in one.pending),
        warnings=(*first.warnings, *(silent if first.trouble is None else ())),
    )


def _named(prompts: Iterable[Prompt], server: str) -> tuple[Prompt, ...]:
    return tuple(replace(prompt, server=server) for prompt in prompts)


async def named(comfyui: ComfyUI, server: str) -> ComfyUI:
    """Return the ComfyUI with this URL or job id; a single one need not be named.

    Raises:
        InvalidRequestError: there are several and none is named, or there is none of this name.
    """
    members = await comfyui.members.all()
    wanted = server.strip().rstrip("/")
    if not wanted and len(members) == 1:
        return members[0]
    names = {name: one for one in members for name in (one.endpoint.url, one.endpoint.job_id)}
    found = names.get(wanted) if wanted else None  # those that are not jobs have an empty job id
    if found is None:
        urls = ", ".join(one.endpoint.url for one in members)
        said = f"there is no ComfyUI {server!r} here" if wanted else "there are several ComfyUIs"
        raise InvalidRequestError(f"{said}: give one of {urls} as server")
    return found


async def least_full(comfyui: ComfyUI) -> ComfyUI:
    """Return the best one for a single prompt: the least full of those that answer.

    Raises:
        UnreachableError: none of several answers.
    """
    members = await comfyui.members.all()
    if len(members) == 1:
        return members[0]
    looks = await asyncio.gather(*(one.client.queue() for one in members), return_exceptions=True)
    loads: list[tuple[int, int]] = []
    troubles: list[UnreachableError] = []
    for place, look in enumerate(looks):
        if isinstance(look, UnreachableError):
            troubles.append(look)
        elif isinstance(look, BaseException):
            raise look
        else:
            loads.append((len(look.running) + len(look.pending), place))
    if not loads:
        raise UnreachableError(
            f"none of the {len(members)} ComfyUIs answers: {'; '.join(map(str, troubles))}",
            trouble=troubles[0].trouble,
            nothing_done=True,
        )
    return members[min(loads)[1]]


async def cancel(
    comfyui: ComfyUI, prompt_id: str | None, *, by: str, clear_pending: bool, pending_only: bool
) -> Cancelled:
    """Cancel like ``ComfyUI.cancel``: at the ComfyUI that has the prompt, or the waiting prompts at all of them."""
    members = await comfyui.members.all()
    if len(members) == 1 or prompt_id is not None:
        one = await comfyui.members.at(prompt_id) if prompt_id is not None else members[0]
        cancelled = await one.cancel(prompt_id, by=by, clear_pending=clear_pending, pending_only=pending_only)
        others = [member for member in members if member is not one] if clear_pending else []
    else:
        one = members[0] if pending_only else await _that_runs(members)
        cancelled = await one.cancel(None, by=by, clear_pending=clear_pending, pending_only=pending_only)
        others = [member for member in members if member is not one] if clear_pending or pending_only else []
    for member in others:
        more = await member.cancel(None, by=by, pending_only=True)
        cancelled = replace(
            cancelled,
            dropped=(*cancelled.dropped, *more.dropped),
            kept=(*cancelled.kept, *more.kept),
            batches=(*cancelled.batches, *more.batches),
            unsent=cancelled.unsent + more.unsent,
        )
    return cancelled


async def _that_runs(members: Collection[ComfyUI]) -> ComfyUI:
    """Return the one that runs a prompt, or the first one.

    Raises:
        InvalidRequestError: several run one, so the prompt must be named.
    """
    looks = await asyncio.gather(*(one.client.queue() for one in members), return_exceptions=True)
    running = {
        one: look.running[0].prompt_id
        for one, look in zip(members, looks, strict=True)
        if not isinstance(look, BaseException) and look.running
    }
    if len(running) > 1:
        named = ", ".join(f"{prompt_id} on {one.endpoint.url}" for one, prompt_id in running.items())
        raise InvalidRequestError(f"several ComfyUIs run a prompt: give prompt_id. They run {named}")
    return next(iter(running), next(iter(members)))


async def list_prompts(comfyui: ComfyUI, *, statuses: Collection[str] = (), among: Among, limit: int) -> Listing:
    """Return prompts like ``Catalogue.list``, of all ComfyUIs, those that ran on nodes and are over included."""
    members, parted = await comfyui.members.all(), await comfyui.members.parted()
    if len(members) == 1 and not parted:
        return await members[0].catalogue.list(statuses=statuses, among=among, limit=limit)
    found = await asyncio.gather(*(one.catalogue.list(statuses=statuses, among=among, limit=limit) for one in members))
    waiting = await comfyui.catalogue.waiting(comfyui.members.name, statuses=statuses, among=among, limit=limit)
    rows = {row.prompt.prompt_id: row for row in waiting}
    for server in parted:
        for row in await comfyui.catalogue.waiting(server, statuses=statuses, among=among, limit=limit):
            rows[row.prompt.prompt_id] = replace(row, prompt=replace(row.prompt, server=server))
    for one, listing in zip(members, found, strict=True):
        for row in listing.rows:
            entry = row.prompt.submission
            # The list of a batch or session has the prompts of all: the ComfyUI that has a prompt knows best.
            if entry is None or entry.server == one.endpoint.url or row.prompt.prompt_id not in rows:
                server = entry.server if entry else one.endpoint.url
                rows[row.prompt.prompt_id] = replace(row, prompt=replace(row.prompt, server=server))
    ordered = in_order(rows.values())
    trouble = next((listing.trouble for listing in found if listing.trouble), None)
    return Listing(tuple(ordered[:limit]), more=len(ordered) > limit or any(one.more for one in found), trouble=trouble)


async def errors(comfyui: ComfyUI, *, among: Among, limit: int) -> tuple[list[Explained], UnreachableError | None]:
    """Return the prompts that failed last, of all ComfyUIs."""
    members = await comfyui.members.all()
    found = [await one.catalogue.errors(among=among, limit=limit) for one in members]
    explained = {one.row.prompt.prompt_id: one for some, _ in found for one in some}
    trouble = next((trouble for _, trouble in found if trouble), None)
    for server in await comfyui.members.parted():
        for one in await comfyui.catalogue.errors_of(server, among=among, limit=limit):
            explained.setdefault(one.row.prompt.prompt_id, one)
    ordered = {row.prompt.prompt_id: None for row in in_order(one.row for one in explained.values())}
    return [explained[prompt_id] for prompt_id in ordered][:limit], trouble


async def download(
    comfyui: ComfyUI,
    prompts: Iterable[tuple[str, str]],
    directory: Path,
    *,
    report: Callable[[Headway], None],
    limit_s: float = math.inf,
    choice: Choice = ALL,
) -> Downloaded:
    """Download like ``ComfyUI.download``, from the ComfyUI that made each prompt."""
    members = await comfyui.members.all()
    if len(members) == 1:
        return await members[0].download(prompts, directory, report=report, limit_s=limit_s, choice=choice)
    wanted: dict[ComfyUI, list[tuple[str, str]]] = defaultdict(list)
    for prompt_id, note in prompts:
        wanted[await comfyui.members.at(prompt_id)].append((prompt_id, note))
    came = Downloaded(directory)
    for one, of_it in wanted.items():
        more = await one.download(of_it, directory, report=report, limit_s=limit_s, choice=choice)
        came = _both(came, more)
    return came


async def maker_of(comfyui: ComfyUI, downloaded: Downloaded) -> tuple[ComfyUI, list[OutputFile]]:
    """Return the ComfyUI that made the last downloaded file, and all files that it made."""
    members = await comfyui.members.all()
    files = downloaded.files
    if len(members) == 1 or not files:
        return members[0], [file.wanted.file for file in files]
    last = await comfyui.members.at(files[-1].wanted.prompt_id)
    prompts = {file.wanted.prompt_id for file in files}
    its = {prompt_id for prompt_id in prompts if await comfyui.members.at(prompt_id) is last}
    return last, [file.wanted.file for file in files if file.wanted.prompt_id in its]


async def upload(
    comfyui: ComfyUI,
    paths: Sequence[Path],
    wish: Wish,
    *,
    done: Callable[[int], None] = lambda _: None,
    limit_s: float = math.inf,
) -> list[Uploaded]:
    """Upload files like ``Uploads.upload``, to each: any of them may take the prompt."""
    members = await comfyui.members.all()
    uploaded = await members[0].uploads.upload(paths, wish, done=done, limit_s=limit_s)
    for one in members[1:]:
        more = await one.uploads.upload(paths, wish, limit_s=limit_s)
        uploaded = [_on_both(had, has, one.endpoint.url) for had, has in zip(uploaded, more, strict=False)]
    return uploaded


def _on_both(one: Uploaded, other: Uploaded, server: str) -> Uploaded:
    """Return the result for a file that a workflow must find under the same name on both."""
    if other.trouble or one.name == other.name:
        trouble = "; ".join(filter(None, [one.trouble, f"{server}: {other.trouble}" if other.trouble else ""]))
        return replace(one, trouble=trouble)
    return replace(one, trouble=one.trouble or f"{server} calls it {other.name}, where {one.name} is something else")


async def clear_history(comfyui: ComfyUI, *, keep: int) -> Cleared:
    """Clear the history of each, except so many entries."""
    found = [await one.history.clear(keep=keep) for one in await comfyui.members.all()]
    counted = [one.removed for one in found if one.removed is not None]
    return Cleared(
        removed=sum(counted) if len(counted) == len(found) else None,
        kept=sum(one.kept for one in found),
        journalled=sum(one.journalled for one in found),
    )


def _both(one: Downloaded, other: Downloaded) -> Downloaded:
    lists = ("files", "missed", "broken", "empty", "unknown")
    together = {name: [*getattr(one, name), *getattr(other, name)] for name in lists}
    return Downloaded(one.directory, **together, left=one.left + other.left, trouble=one.trouble or other.trouble)


async def pause(comfyui: ComfyUI, *, by: str) -> PausedQueue:
    """Pause the queue of each."""
    return _all_of([await one.queue.pause(by=by) for one in await comfyui.members.all()])


async def resume(comfyui: ComfyUI) -> PausedQueue:
    """Resume the queue of each."""
    return _all_of([await one.queue.resume() for one in await comfyui.members.all()])


def _all_of(queues: list[PausedQueue]) -> PausedQueue:
    together = queues[0]
    for one in queues[1:]:
        together = PausedQueue(
            is_paused=one.is_paused,
            waiting=together.waiting + one.waiting,
            taken_back=(*together.taken_back, *one.taken_back),
            kept=(*together.kept, *one.kept),
            running=(*together.running, *one.running),
            others=together.others + one.others,
            trouble="; ".join(filter(None, [together.trouble, one.trouble])),
        )
    return together
