"""The forms of reports on ComfyUI: the fields that are always there, and those that need an explanation.

``comfyui.reports`` makes the reports themselves, and is loaded when one is asked for. These forms are in the list of
tools, where every field costs tokens.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

#: Rows that a client can show as they are.
Rows = list[dict[str, Any]]


class StatusForm(BaseModel):
    """A server."""

    reachable: bool


class PromptForm(BaseModel):
    """A prompt."""

    prompt_id: str
    status: str
    outputs: Rows | None = Field(None, description="files")
    shown: Rows | None = Field(None, description="texts and what else is no file")
    from_cache: str | None = Field(None, description="no node ran")


class SubmissionForm(BaseModel):
    """A prompt or a batch that was submitted."""

    status: str
    prompt_id: str | None = Field(None, description="of a single prompt")
    batch_id: str | None = Field(None, description="of a batch")


class CancelForm(BaseModel):
    """A cancel."""

    status: str
    wedge: str | None = Field(None, description="why it hangs")


class BatchForm(BaseModel):
    """A batch, or several."""

    batches: Rows | None = Field(None, description="without a batch_id")


class SessionForm(BaseModel):
    """A session, or several."""

    jobs: Rows | None = Field(None, description="show: its prompts")
    elsewhere: int | None = Field(None, description="list: those of other projects")


class PromptsForm(BaseModel):
    """Prompts in a list."""

    jobs: Rows


class ErrorsForm(BaseModel):
    """Failures."""

    errors: Rows


class ModelsForm(BaseModel):
    """Models, or the kinds of them."""

    models: list[str] | None = None
    kinds: list[str] | None = None


class NodesForm(BaseModel):
    """Kinds of nodes by name, or one of them."""

    nodes: dict[str, str] | None = None
    inputs: dict[str, str] | None = None


class ClearedForm(BaseModel):
    """A history that was cleared."""

    kept: int
    detail: str


class UploadForm(BaseModel):
    """Uploads."""

    status: str
    failed: int
    left: int | None = Field(None, description="not begun: call again")


class DownloadForm(BaseModel):
    """Downloads."""

    status: str
    directory: str
    failed: int
    broken: Rows | None = Field(None, description="there, and not whole")
    left: int | None = Field(None, description="not begun: call again")


class LifecycleForm(BaseModel):
    """A start, stop or restart."""

    status: str
    detail: str | None = Field(None, description="what the status leaves open")


class FreedForm(BaseModel):
    """Memory that was freed, or will be."""

    status: str
    detail: str
