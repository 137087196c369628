"""Resolves the references of a prompt just before it is sent, so a prompt may use the output of an earlier one.

The server reads its own outputs by names like ``cat_00001_.png [output]``, so nothing is normally copied. A file that
it does not accept in this way, or that another server made, is downloaded and uploaded.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from mcp_background_job.comfyui.prompts.graphs.references import Reference, references_in
from mcp_background_job.comfyui.prompts.prompts import Prompt, Prompts, graph_of
from mcp_background_job.comfyui.prompts.results import cause_of
from mcp_background_job.comfyui.prompts.uploads import Uploads, Wish, annotated
from mcp_background_job.comfyui.wire.answers import Refused
from mcp_background_job.comfyui.wire.endpoint import Endpoint, endpoint_of
from mcp_background_job.comfyui.wire.node_outputs import OutputFile
from mcp_background_job.comfyui.wire.transfer import Transfer, in_thread, view_path
from mcp_background_job.core.comfyui.submission import Submission
from mcp_background_job.errors import InputMissingError, InputPendingError
from mcp_background_job.executors import lanes

_PREVIOUS = "previous"
_NUMBERED = re.compile(r"#(\d{1,9})")

#: The servers' errors for an input that names an unknown file.
_UNKNOWN_FILE = ("value_not_in_list", "custom_validation_failed")

_CHUNK = 128 * 1024

#: The statuses of prompts that may still make outputs.
_NOT_OVER = ("pending", "in_progress")


def _no_other(_server: str, _other: str) -> bool:
    return False


class Inputs:
    """The inputs of prompts of one server."""

    def __init__(
        self,
        prompts: Prompts,
        uploads: Uploads,
        prompt_at: Callable[[str, int], str | None],
        endpoint: Endpoint,
        *,
        shares: Callable[[str, str], bool] = _no_other,
    ) -> None:
        """Takes its parts.

        Args:
            prompts: look for prompts.
            uploads: uploads files.
            prompt_at: returns the prompt at a place of a batch.
            endpoint: the server.
            shares: tells whether two servers work on the same batches.
        """
        self._shares = shares
        self._prompts = prompts
        self._uploads = uploads
        self._prompt_at = prompt_at
        self._endpoint = endpoint

    async def graph_of(self, submission: Submission, *, copied: bool = False) -> Mapping[str, Any]:
        """Return the graph of a submission as it is sent; with ``copied``, referenced files are uploaded as inputs.

        Raises:
            InputPendingError: it refers to a prompt that has not ended.
            InputMissingError: it refers to an output that does not exist, and never will.
        """
        graph = graph_of(submission)
        for reference in references_in(graph):
            value = await self._value_of(submission, reference, copied=copied)
            node = cast("dict[str, Any]", graph[reference.node_id])
            graph = {**graph, reference.node_id: {**node, "inputs": {**node["inputs"], reference.name: value}}}
        return graph

    async def _value_of(self, submission: Submission, reference: Reference, *, copied: bool) -> str:
        prompt_id = await self._source_of(submission, reference)
        prompt = await self._prompts.get(prompt_id)
        is_pending = prompt.status in _NOT_OVER or prompt.reason.startswith("unreachable")
        if is_pending or await self._runs_elsewhere(prompt.submission):
            raise InputPendingError(
                f"prompt {prompt_id}, whose output it takes, has not ended: {prompt.status}", prompt_id=prompt_id
            )
        made = _made_by(prompt, reference)
        if isinstance(made, str):
            return made
        server = prompt.submission.server if prompt.submission else self._endpoint.url
        is_here = server == self._endpoint.url
        if is_here and not copied:
            return annotated(made)
        return await self._copied(self._endpoint if is_here else endpoint_of(server, "", 0), made)

    async def _runs_elsewhere(self, source: Submission | None) -> bool:
        """Tell whether a prompt is at another server of our pool, whose feeder will find out how it ends."""
        here = self._endpoint.url
        if source is None or not source.is_open or source.server == here:
            return False
        return await lanes.journal(self._shares, here, source.server)

    async def _source_of(self, submission: Submission, reference: Reference) -> str:
        source = reference.source
        numbered = _NUMBERED.fullmatch(source)
        if source != _PREVIOUS and not numbered:
            return source
        if submission.batch_id is None or submission.position is None:
            raise InputMissingError(f'"from": {source!r} names a prompt of a batch, and this prompt belongs to none')
        position = int(numbered[1]) - 1 if numbered else submission.position - 1
        if not 0 <= position < submission.position:
            raise InputMissingError(f'"from": {source!r} is not an earlier prompt of its batch')
        found = await lanes.journal(self._prompt_at, submission.batch_id, position)
        if found is None:
            raise InputMissingError(f'"from": {source!r}: its batch has no such prompt')
        return found

    async def _copied(self, server: Endpoint, file: OutputFile) -> str:
        """Upload a file that a server made; returns its name as an input."""
        with tempfile.TemporaryDirectory(prefix="comfyui-") as directory:
            path = Path(directory, Path(file.filename.replace("\\", "/")).name)
            transfer = Transfer(server)
            await in_thread(lambda: _receive(transfer, file, path), transfer.abort)
            [uploaded] = await self._uploads.upload([path], Wish())
        if uploaded.trouble:
            raise InputMissingError(f"{file.filename} cannot be made an input: {uploaded.trouble}")
        return uploaded.name


def _receive(transfer: Transfer, file: OutputFile, path: Path) -> None:
    buffer = memoryview(bytearray(_CHUNK))
    with path.open("wb") as into, contextlib.closing(transfer.chunks(view_path(file), lambda: buffer)) as chunks:
        for chunk in chunks:
            into.write(chunk)


def _made_by(prompt: Prompt, reference: Reference) -> OutputFile | str:
    """Return the file, or the text, that a reference means."""
    finished = prompt.finished
    outputs = [file for file in finished.outputs if reference.node in (None, file.node_id)] if finished else []
    if reference.index < len(outputs):
        # Without a node, permanent files come before temporary ones.
        return outputs[reference.index] if reference.node else _kept_first(outputs)[reference.index]
    texts = [one.text for one in finished.shown if one.is_text and reference.node == one.node_id] if finished else []
    if texts and not outputs and not reference.index:
        return texts[0]
    where = f"node {reference.node}" if reference.node else "any node"
    how = ": ".join(filter(None, [prompt.status, prompt.reason or (cause_of(finished) if finished else "")]))
    raise InputMissingError(
        f"prompt {prompt.prompt_id} ({how}) has left {len(outputs)} files of {where}, "
        f"and input {reference.name} of node {reference.node_id} takes number {reference.index}, counted from 0"
    )


def _kept_first(files: list[OutputFile]) -> list[OutputFile]:
    return sorted(files, key=lambda file: file.type != "output")


def is_about_a_reference(refused: Refused, graph: Mapping[str, Any]) -> bool:
    """Tell whether a server refused a prompt over a file of its own that it may accept as an uploaded input."""
    nodes = {reference.node_id for reference in references_in(graph)}
    return any(error.node_id in nodes and error.kind in _UNKNOWN_FILE for error in refused.node_errors)
