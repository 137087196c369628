"""The actions on ComfyUI, in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp_background_job.actions.action import Action, Effects
from mcp_background_job.actions.comfyui import forms
from mcp_background_job.actions.comfyui.inputs import Uploading
from mcp_background_job.actions.comfyui.inventory import Looking
from mcp_background_job.actions.comfyui.lifecycle import START_S, STOP_S, Lifecycle, RestartOne, StartAnywhere, StopOne
from mcp_background_job.actions.comfyui.outputs import LIMIT_S, Downloading
from mcp_background_job.actions.comfyui.queue import BatchOfSeveral, Queueing
from mcp_background_job.actions.comfyui.renders import CANCEL_S, Expect, Rendering, nobody
from mcp_background_job.actions.opening import Opened
from mcp_background_job.core.waiting import MAX_WAIT_S

if TYPE_CHECKING:
    from mcp_background_job.comfyui.control import ComfyUI


#: Statuses that mean that the request was not met; the others say how a prompt or server is doing.
_NOT_SUBMITTED = frozenset({"refused", "unknown"})
_NOT_FOUND = frozenset({"unknown"})
_NOT_CANCELED = frozenset(
    {"wedged", "server_died", "unreachable", "not_found", "nothing_running", "running", "pending"}
)
_NOT_UPLOADED = frozenset({"incomplete"})
_NOT_DOWNLOADED = frozenset({"incomplete", "unreachable", "not_found"})
_NOT_STARTED = frozenset({"failed"})


def comfyui_actions(
    opened: Opened[ComfyUI], expect: Expect = nobody, *, of_several: bool = False
) -> list[Action[Any, Any]]:
    """Return all actions on ComfyUI.

    Args:
        opened: opens ComfyUI's control.
        expect: notes who is to be told of the end of a batch.
        of_several: whether there are, or may be, several ComfyUIs; with a single one, the tools do not mention others.
    """
    rendering, queueing, lifecycle = Rendering(opened, expect), Queueing(opened, expect), Lifecycle(opened)
    looking = Looking(opened)
    return [
        Action(rendering.comfyui_status, Effects.LOOKS, form=forms.StatusForm),
        Action(
            rendering.comfyui_submit,
            Effects.STARTS,
            MAX_WAIT_S,
            unmet=_NOT_SUBMITTED,
            form=forms.SubmissionForm,
            later=rendering.submitted_later,
        ),
        Action(
            rendering.comfyui_job,
            Effects.LOOKS,
            MAX_WAIT_S,
            unmet=_NOT_FOUND,
            form=forms.PromptForm,
            later=rendering.waited_later,
        ),
        Action(rendering.comfyui_cancel_job, Effects.ENDS, CANCEL_S, unmet=_NOT_CANCELED, form=forms.CancelForm),
        Action(rendering.comfyui_cancel_queued_job, Effects.ENDS, CANCEL_S, unmet=_NOT_CANCELED, form=forms.CancelForm),
        Action(
            queueing.comfyui_batch,
            Effects.ENDS,
            CANCEL_S,
            form=forms.BatchForm,
            later=queueing.later,
            asks=BatchOfSeveral if of_several else None,
        ),
        Action(queueing.comfyui_session, Effects.NOTES, form=forms.SessionForm),
        Action(queueing.comfyui_jobs, Effects.LOOKS, form=forms.PromptsForm),
        Action(queueing.comfyui_errors, Effects.LOOKS, form=forms.ErrorsForm),
        Action(looking.comfyui_models, Effects.LOOKS, form=forms.ModelsForm),
        Action(looking.comfyui_nodes, Effects.LOOKS, form=forms.NodesForm),
        Action(queueing.comfyui_clear_history, Effects.ENDS, form=forms.ClearedForm),
        Action(Uploading(opened).comfyui_upload, Effects.ADDS, LIMIT_S, unmet=_NOT_UPLOADED, form=forms.UploadForm),
        Action(
            Downloading(opened).comfyui_download, Effects.ADDS, LIMIT_S, unmet=_NOT_DOWNLOADED, form=forms.DownloadForm
        ),
        Action(lifecycle.comfyui_free, Effects.ENDS, form=forms.FreedForm),
        Action(
            lifecycle.start_comfyui,
            Effects.STARTS,
            START_S,
            unmet=_NOT_STARTED,
            form=forms.LifecycleForm,
            asks=StartAnywhere if of_several else None,
        ),
        Action(
            lifecycle.stop_comfyui,
            Effects.ENDS,
            STOP_S,
            form=forms.LifecycleForm,
            asks=StopOne if of_several else None,
        ),
        Action(
            lifecycle.restart_comfyui,
            Effects.STARTS,
            START_S,
            unmet=_NOT_STARTED,
            form=forms.LifecycleForm,
            asks=RestartOne if of_several else None,
        ),
    ]
