"""Other names that models give to arguments: an error for such a name suggests the right one."""

from __future__ import annotations

import re

from mcp_background_job.core.nearest import nearest as resembling

#: Other names of each argument. If one name may mean several arguments, the first one that the action has is meant.
_SYNONYMS = {
    "command": "cmd command_line commandline shell_command bash_command script bash shell code exec run program argv",
    "backend_config": "config options settings model args command cmd full_access binary agent_url backend_options",
    "workflow_path": "path file filename workflow_file file_path filepath json_path",
    "workflow": "graph prompt api_prompt workflow_json json nodes",
    "output_dir": "dir directory folder destination dest output path target output_path save_dir out",
    "field_path": "field path key artifact name",
    "cwd": "working_dir workdir working_directory work_dir directory dir path folder root project_dir workspace",
    "env": "environment env_vars envs variables vars environ environment_variables",
    "nickname": "name agent_name label title",
    "agent_name": "agent name nickname",
    "name": "job_name title label alias session session_name session_id id pattern query",
    "input": "text stdin line message content data chars string send value stdin_text input_text answer command cmd",
    "stdin_text": "input text stdin_data stdin_input input_text stdin_content",
    "input_message": "message prompt text input answer response reply content instructions",
    "prompt": "task message instructions instruction input text query content goal",
    "keys": "key keystrokes keystroke key_sequence special_keys",
    "enter": "newline submit press_enter send_enter append_newline",
    "timeout_s": "timeout timeout_ms timeout_seconds time_limit max_runtime deadline ttl max_time kill_after",
    "wait_s": "wait wait_seconds wait_time timeout timeout_s timeout_ms max_wait yield_time_ms wait_ms block duration",
    "wait_ms": "wait wait_s timeout timeout_s timeout_ms max_wait block",
    "grace_s": "grace grace_period grace_seconds force timeout timeout_s kill_after kill_timeout wait wait_s",
    "job_id": (
        "id ids job jobs job_ids jobid job_name name names pid process_id process task_id task handle shell_id bash_id "
        "terminal_id session_id session execution_id"
    ),
    "run_id": "id run ids job_id task_id session_id agent_id runid",
    "prompt_id": "id ids prompt prompts prompt_ids job_id promptid",
    "batch_id": "id batch batchid job_id",
    "session": "session_id session_name name",
    "session_id": "session resume resume_from thread_id conversation_id",
    "batch": "batch_id id",
    "lines": "n num_lines line_count tail last count limit max_lines num head",
    "keep": "limit n count max last newest",
    "limit": "n count max max_results page_size top size num per_page max_bytes max_items lines length bytes",
    "max_bytes": "bytes max_chars size length limit max_output n count chars lines max_length",
    "cursor": "offset start since from position page skip next_cursor from_offset after seek",
    "offset": "cursor start position skip from",
    "after_seq": "after since cursor since_seq from_seq offset seq last_seq",
    "seq": "sequence event event_id event_seq id",
    "grep": "pattern filter regex search match query contains",
    "until": "wait_for wait_until condition expect ready_pattern ready_when ready port url success pattern regex grep",
    "fail_on": "fail_pattern error_pattern failure error on_error fail_if fail_regex",
    "signal": "sig signum signal_name",
    "signal_only": "no_kill only_signal dont_kill no_stop",
    "all_of_project": "all everything kill_all all_jobs",
    "all_projects": "all global everywhere include_all all_jobs",
    "stream": "fd source output_stream std channel stdout stderr",
    "raw": "ansi plain escapes",
    "view": "screen format display",
    "mode": "match any all wait_all require_all",
    "after": "depends_on dependencies dependency needs requires depends wait_for_jobs prerequisites",
    "if_running": "if_exists on_conflict replace reuse exists",
    "restart": "auto_restart restart_policy retry retries respawn keep_alive",
    "stdin": "pty tty interactive use_pty terminal stdin_mode pipe",
    "leftovers": "children background cleanup kill_children detach daemon",
    "status": "state statuses states filter",
    "backend": "agent agent_type provider engine type",
    "profile": "persona system_prompt instructions_file",
    "output_schema": "schema json_schema response_format output_format",
    "idle_timeout_s": "idle_timeout idle idle_timeout_ms silence_timeout",
    "metadata": "meta tags labels extra",
    "overrides": "inputs params parameters values variables seeds",
    "front": "priority first",
    "note": "description comment message label title text",
    "combine": "mode product zip",
    "max_queued": "concurrency parallel max_parallel queue_size",
    "prompt_timeout_s": "timeout timeout_s prompt_timeout",
    "restart_if_wedged": "restart auto_restart",
    "clear_pending": "clear clear_queue all pending",
    "interrupt": "force stop kill",
    "force": "kill hard",
    "requeue": "resubmit queue keep_queue",
    "action": "command op operation method",
}

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def nearest(said: str, known: list[str]) -> str | None:
    """Return the known argument that another name means; ``None`` if that is not clear."""
    word = _CAMEL.sub("_", said).lower().replace("-", "_").strip("_")
    meant = {other: name for name in reversed(_SYNONYMS) if name in known for other in _SYNONYMS[name].split()}
    meant |= {name: name for name in known}
    return meant.get(word) or next((meant[near] for near in resembling(word, meant, 1)), None)
