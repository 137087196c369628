"""One call of each tool."""

from __future__ import annotations

from typing import Any

_TELL = {"role": "user", "parts": [{"type": "text", "text": "The tests are green."}]}

EXAMPLES: dict[str, dict[str, Any]] = {
    "execute_command": {"command": "npm run dev", "name": "web", "until": "port:5173", "wait_s": 30},
    "wait_for_job": {"job_id": ["build", "tests"], "mode": "any", "wait_s": 50},
    "kill_job": {"job_id": "web", "grace_s": 2},
    "get_job_status": {"job_id": "web"},
    "tail_job_output": {"job_id": "tests", "lines": 20, "grep": "FAILED|ERROR"},
    "get_job_output": {"job_id": "tests", "cursor": 16000},
    "interact_with_job": {"job_id": "repl", "input": "print(6 * 7)"},
    "restart_job": {"job_id": "web", "env": {"PORT": "5174"}, "until": "port:5174"},
    "list_jobs": {"status": "running,queued", "all_projects": True},
    "comfyui_status": {"log": True},
    "comfyui_submit": {"workflow_path": "portrait.json", "overrides": {"3.inputs.seed": [1, 2, 3]}, "note": "seeds"},
    "comfyui_job": {"prompt_id": "1f0c5c1e", "wait_s": 50},
    "comfyui_cancel_job": {"prompt_id": "1f0c5c1e"},
    "comfyui_cancel_queued_job": {"prompt_id": "1f0c5c1e", "move": "front"},
    "comfyui_batch": {"batch_id": "b7k2", "action": "retry_failed"},
    "comfyui_session": {"action": "new", "name": "portraits"},
    "comfyui_jobs": {"status": "failed,lost_to_restart", "session": ""},
    "comfyui_errors": {"batch": "b7k2"},
    "comfyui_models": {"kind": "checkpoints", "match": "xl"},
    "comfyui_nodes": {"match": "KSampler"},
    "comfyui_clear_history": {"keep": 100},
    "comfyui_upload": {"path": ["face.png", "pose.png"], "subfolder": "portraits"},
    "comfyui_download": {"batch": "b7k2", "kind": "output", "output_dir": "comfyui-outputs/portraits"},
    "comfyui_free": {},
    "start_comfyui": {"restart": "on-failure"},
    "stop_comfyui": {},
    "restart_comfyui": {"requeue": "all"},
    "spawn_run": {"backend": "codex", "cwd": "/home/me/shop", "prompt": "Fix the failing tests.", "nickname": "fixer"},
    "get_run": {"agent_name": "fixer"},
    "poll_events": {"agent_name": "fixer", "after_seq": 12},
    "cancel_run": {"agent_name": "fixer"},
    "continue_run": {"agent_name": "fixer", "input_message": _TELL},
    "list_runs": {"status": "running"},
    "get_event_artifact": {"agent_name": "fixer", "seq": 14, "field_path": "output"},
    "list_agents": {"all_projects": True},
    "send_agent_message": {"to_agent_name": "parent", "message": _TELL},
    "fetch_agent_messages": {"wait_ms": 20000},
}
