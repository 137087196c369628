"""The queue and the history in the new generation's form, which calls prompts jobs."""

from typing import Any

from tests.comfyui_simulator.prompt_queue import Item, PromptQueue

STATUSES = ["pending", "in_progress", "completed", "failed", "cancelled"]
_FILES = ("images", "video", "audio", "gifs")


def all_jobs(queue: PromptQueue) -> list[dict[str, Any]]:
    running, pending = queue.snapshot()
    jobs = [_queued(item, "pending") for item in pending] + [_queued(item, "in_progress") for item in running]
    return jobs + [_finished(entry) for entry in queue.history().values()]


def one_job(queue: PromptQueue, prompt_id: str) -> dict[str, Any] | None:
    running, pending = queue.snapshot()
    for items, status in ((running, "in_progress"), (pending, "pending")):
        for item in items:
            if item[1] == prompt_id:
                return _queued(item, status)
    entry = queue.entry(prompt_id)
    if entry is None:
        return None
    workflow = {"prompt": entry["prompt"][2], "extra_data": entry["prompt"][3]}
    return _finished(entry) | {
        "outputs": entry["outputs"],
        "execution_status": entry["status"],
        "workflow": workflow,
    }


def _queued(item: Item, status: str) -> dict[str, Any]:
    return _base(item, status) | {"outputs_count": 0, "previewable_outputs_count": 0} | _workflow_id(item)


def _base(item: Item, status: str) -> dict[str, Any]:
    return {"id": item[1], "status": status, "priority": item[0], "create_time": item[3].get("create_time")}


def _workflow_id(item: Item) -> dict[str, Any]:
    workflow_id = item[3].get("extra_pnginfo", {}).get("workflow", {}).get("id")
    return {} if workflow_id is None else {"workflow_id": workflow_id}


def _finished(entry: dict[str, Any]) -> dict[str, Any]:
    messages = entry["status"]["messages"]
    events = dict(messages)
    times = {"execution_start_time": messages[0][1]["timestamp"], "execution_end_time": messages[-1][1]["timestamp"]}
    error: dict[str, Any] = {}
    if "execution_interrupted" in events:
        status = "cancelled"
    elif "execution_error" in events:
        status = "failed"
        error = {"execution_error": events["execution_error"]}
    else:
        status = "completed"
    return _base(entry["prompt"], status) | times | error | _outputs(entry) | _workflow_id(entry["prompt"])


def _outputs(entry: dict[str, Any]) -> dict[str, Any]:
    files = [
        {**file, "nodeId": node_id, "mediaType": kind}
        for node_id, ui in entry["outputs"].items()
        for kind in _FILES
        for file in ui.get(kind, [])
    ]
    texts = [
        {"content": str(text), "nodeId": node_id, "mediaType": "text"}
        for node_id, ui in entry["outputs"].items()
        for text in ui.get("text", [])
    ]
    counts = {"outputs_count": len(files), "previewable_outputs_count": len(files)}
    previews = files + texts
    return counts | ({"preview_output": previews[0]} if previews else {})
