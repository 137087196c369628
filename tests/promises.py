"""The promises of the project, as data: each with its source, and the id that marks its tests.

``tests/survival/test_promises.py`` fails if a promise has no test, or if a mark names no promise.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Promise:
    """One promise.

    Attributes:
        id: the id that tests name in ``@pytest.mark.requirement(id)``.
        source: the promise, tool or topic that it belongs to.
        behaviour: one sentence that says what a user can rely on.
    """

    id: str
    source: str
    behaviour: str


_OUTLIVES = "promise 1: a job outlives everything but its machine"
_KILLED = 'promise 2: "killed" is true'
_UNKNOWN = "promise 3: unknown is never reported as success"
_STRANGER = "promise 4: no stranger is ever signalled"
_BYTES = "promise 5: no byte is lost silently"
_STALLS = "promise 6: the server never stalls"
_CHEAP = "promise 7: answers are cheap"
_SAFE = "promise 8: the safe choice is the default"
_SEEN = "promise 11: it can be seen"
_DISK = "the disk contract"
_LIFE = "life of a job"
_STOPPING = "stopping"
_RUNS = "agent runs"
_COMFYUI = "ComfyUI: a cancel is verified"
_SUBMIT = "ComfyUI: comfyui_submit"
_BATCH = "ComfyUI: comfyui_batch"
_POOL = "ComfyUI: several as a pool"
_DOWNLOAD = "ComfyUI: comfyui_download"

PROMISES: tuple[Promise, ...] = (
    # A job outlives everything but its machine
    Promise(
        "server.outlived",
        _OUTLIVES,
        "A job goes on when its server's stdin is closed, its process group is signalled or its tree is killed.",
    ),
    Promise(
        "server.killed",
        _OUTLIVES,
        "After a kill -9 of the server at any moment, every job's whole output and exit code are known.",
    ),
    Promise("server.any", _OUTLIVES, "Any server on the state directory sees, controls and ends any job."),
    Promise("server.ends", _SAFE, "A server ends promptly when its stdin is closed, even while calls wait."),
    Promise(
        "start.once",
        _OUTLIVES,
        "A job whose start was interrupted, at whatever point, either never was or runs exactly once.",
    ),
    Promise(
        "start.recorded", _OUTLIVES, "A job that is on record and was never started is started by the next server."
    ),
    Promise("start.many", _STALLS, "A hundred jobs at once all end with their own exit code and output."),
    Promise(
        "start.name", "execute_command: if_running", "Of starts of one name at once one starts, the rest return it."
    ),
    Promise("spawner.killed", _OUTLIVES, "The spawner's death ends no job and prevents none; it ends with its server."),
    Promise("spawner.suspended", _STALLS, "While the spawner is suspended, starts take seconds at most, and succeed."),
    Promise("timeout.no_server", _OUTLIVES, "A time limit is kept by the runner, with no server alive."),
    Promise("shell.real", "execute_command: command", "A command is given to a real shell."),
    Promise("shell.login_env", "MCP_BG_LOGIN_ENV", "Jobs have what the login shell sets beyond a client."),
    Promise("restart.on_failure", "execute_command: restart", "What fails is started again, with no server alive."),
    Promise("restart.changes", "restart_job", "A restart changes what it is told to, and stops nothing if it cannot."),
    # The queue
    Promise("queue.no_server", _LIFE, "Queued jobs run in order, each in its turn, with no server alive."),
    Promise("queue.pools", _LIFE, "Never more jobs of a pool run at once than it allows; others are not held up."),
    Promise("limits.idle", _LIFE, "A job with a limit for silence is stopped by it, with no server alive."),
    Promise(
        "limits.own_way",
        _LIFE,
        "A limit, a signal to its runner or the end of an ancestor stops a job by its own signal and grace period.",
    ),
    Promise("leftovers.kill", _LIFE, "What outlives a command is ended where that is asked for, and only there."),
    Promise("queue.limit", "MCP_BG_MAX_JOBS", "Never more jobs run at once than allowed, whoever starts them."),
    Promise("queue.runner_killed", _LIFE, "A killed runner does not hold up the jobs that wait behind it."),
    Promise("after.success", "execute_command: after", "A job starts when all that it is to run after have completed."),
    Promise(
        "after.failure",
        "execute_command: after",
        "It fails with the reason, unstarted, when one of those did not complete; an unknown one is refused.",
    ),
    # "Killed" is true
    Promise(
        "kill.every_descendant",
        _KILLED,
        "A kill is answered when no process of the job is left: new sessions, double forks, ignored signals, "
        "stopped processes, processes without their environment.",
    ),
    Promise("kill.killed_pids", _KILLED, "The exit record names the processes that only SIGKILL ended."),
    Promise("kill.forking", _STOPPING, "Processes that fork while they are being killed do not escape."),
    Promise(
        "kill.grace", _STOPPING, "The chosen signal, then the grace period, then SIGKILL; a second kill can shorten it."
    ),
    Promise("kill.signal", "kill_job: signal", "The chosen signal is what is sent; a trap's exit code is kept."),
    Promise("kill.bad_signal", "kill_job: signal", "A signal that does not end processes is refused."),
    Promise("kill.signal_only", "kill_job: signal_only", "A signal alone reaches what handles it and stops nothing."),
    Promise("kill.queued", _STOPPING, "A queued job is withdrawn and never runs."),
    Promise("kill.already_terminated", "kill_job", "Killing an ended job says already_terminated and changes nothing."),
    Promise("kill.not_found", "kill_job", "Killing an unknown job says not_found."),
    Promise("kill.many_at_once", _KILLED, "Several who kill and restart one job at once all get true answers."),
    Promise("kill.truth", _KILLED, "A job that ended by itself before the signal is not called killed."),
    Promise(
        "kill.without_runner",
        _KILLED,
        "With its runner dead or deaf, a job's processes are ended all the same before the kill is answered.",
    ),
    Promise(
        "kill.forking_without_runner",
        _KILLED,
        "Processes that fork and end all the while do not survive a kill although their job's runner is dead or deaf.",
    ),
    Promise(
        "kill.survivors",
        _KILLED,
        "Every kill of what cannot be killed, the second too, is answered in bounded time with who lives and why.",
    ),
    # Unknown is never reported as success
    Promise(
        "lost.swept",
        _UNKNOWN,
        "The job of a killed runner is lost, with the reason, never running or completed; what it left is ended.",
    ),
    Promise("runner.silent", _UNKNOWN, "A runner that does not answer is an error that says what helps."),
    Promise("states.left_running", _LIFE, "With its shell over and processes left, a job runs, and both are said."),
    # No stranger is ever signalled
    Promise("strangers.spared", _STRANGER, "Pids in files are never believed: nobody but the job is signalled."),
    Promise(
        "strangers.reboot", _STRANGER, "Jobs of an earlier boot are lost with that reason, and nothing is signalled."
    ),
    Promise("strangers.copies", _STRANGER, "A copy of a job's files, or of the state directory, is not the job."),
    Promise(
        "family.strangers",
        _STRANGER,
        "A job whose runner a process of another job has launched is no part of that one, and does not end with it.",
    ),
    Promise(
        "family.parents",
        _KILLED,
        "A job or run that was started within another ends when that is ended, queued or not, wherever its runner is, "
        "and both say so.",
    ),
    Promise(
        "family.places",
        _RUNS,
        "What a job or run starts within itself uses its place, and there is an end to how much and how deep.",
    ),
    Promise(
        "files.removed",
        _KILLED,
        "A job whose files were removed, its lock, its socket or its whole directory, is running and can be killed.",
    ),
    Promise("files.modes", _KILLED, "A job that makes its own files unreadable is shown as it is, and can be killed."),
    Promise("files.forged", _UNKNOWN, "What a job writes into its own records is not taken for its end or its pids."),
    Promise("files.junk", _OUTLIVES, "Nothing that is written to a runner's socket ends it or its job by accident."),
    Promise("stop.together", _KILLED, "A job that gets SIGTERM together with its runner is recorded as killed."),
    # No byte is lost silently
    Promise("log.whole", _BYTES, "The log is what the program wrote: any bytes, any length, read at any page size."),
    Promise("log.bounded", _BYTES, "A job's disk use is bounded; what retention drops is counted and said."),
    Promise("log.streams", _DISK, "stdout and stderr lie in order of arrival and can be told apart."),
    Promise("disk_full.running", _BYTES, "A full disk stops no job; the loss is counted and the exit code right."),
    Promise("disk_full.start", _BYTES, "A start on a full disk is a clear error, and nothing of it runs later."),
    # The server never stalls
    Promise("server.never_stalls", _STALLS, "A call that waits holds up no other."),
    Promise("wait.cancel", _STALLS, "A wait that the client cancels ends, and the job goes on."),
    # Answers are cheap
    Promise("rendering.cheap", _CHEAP, "Ten thousand redraws cost at most 400 tokens, whatever tool shows them."),
    Promise("rendering.redraws", _CHEAP, "Redraws are shown as a terminal would show them in the end."),
    Promise("tools.cheap", _CHEAP, "The list of tools stays within its budget of tokens."),
    Promise("endings.told_once", _CHEAP, "Each client is told once of each ending of its jobs."),
    # The safe choice is the default
    Promise("stdin.closed", _SAFE, "Without more stdin is closed; input for it is refused with what to do instead."),
    Promise("stdin.pipe", "execute_command: stdin", "A pipe takes any bytes and the end of input, within bounds."),
    Promise("stdin.pty", "execute_command: stdin", "A terminal echoes, has a size and takes the end of input."),
    Promise("stdin.ctrl_c", "interact_with_job: keys", "ctrl-c interrupts the foreground, on a terminal or without."),
    Promise(
        "state_dir.private", _SAFE, "The state directory is its owner's alone; another's is refused in a sentence."
    ),
    Promise("http.closed", _SAFE, "HTTP is closed to those without the token."),
    # Errors and damage
    Promise(
        "errors.nothing_written",
        "errors",
        "What cannot be done is refused in a sentence that names the argument; nothing is started or written.",
    ),
    Promise("settings.named", "settings", "A setting that cannot be used is named in one line."),
    Promise("records.damaged", _DISK, "Damaged or missing files of a job are reported and worked around."),
    Promise("index.trouble", _DISK, "A lost, damaged, locked or newer index costs no job."),
    Promise("state_dir.vanished", _DISK, "If the state directory vanishes jobs run on, and questions get an answer."),
    # A cancel of a render is verified
    Promise(
        "comfyui.cancel.verified",
        _COMFYUI,
        '"cancelled" is said when the history has the interruption, within half a second of the end of the step.',
    ),
    Promise("comfyui.cancel.resent", _COMFYUI, "An interrupt that the server forgets is sent again, within seconds."),
    Promise(
        "comfyui.cancel.finished",
        _COMFYUI,
        "A prompt that finishes all the same is finished_before_cancel, with its outputs, even if its history broke.",
    ),
    Promise("comfyui.cancel.pending", _COMFYUI, "A pending prompt is taken out, stays known, and never runs."),
    Promise(
        "comfyui.cancel.clear",
        "comfyui_cancel_job: clear_pending",
        "What is dropped is listed, and can be found again.",
    ),
    Promise("comfyui.cancel.others", _COMFYUI, "The prompt that takes the place of a cancelled one survives."),
    Promise(
        "comfyui.cancel.hit_instead",
        _COMFYUI,
        "A prompt that a server before 0.3.57 stopped in place of the one that was meant is named.",
    ),
    Promise("comfyui.cancel.dead_worker", _COMFYUI, "A dead worker is named within ten seconds, on both generations."),
    Promise("comfyui.cancel.silent", _COMFYUI, "A held or stopped interpreter is named within ten seconds."),
    Promise("comfyui.cancel.died", _COMFYUI, "A server that dies of the interrupt is server_died, never cancelled."),
    Promise(
        "comfyui.cancel.races",
        _COMFYUI,
        "In no measured race is cancelled said of what completed, finished of what was stopped, or wedged of either.",
    ),
    Promise(
        "comfyui.unreachable", _UNKNOWN, "A ComfyUI that gives no answer has an unknown queue, never an empty one."
    ),
    Promise("comfyui.unknown", "comfyui_cancel_job: prompt_id", "An unknown id is not_found, and nothing is touched."),
    Promise("comfyui.submit.waits", _SUBMIT, "A prompt that ends in time comes back with its outputs."),
    Promise("comfyui.submit.refused", _SUBMIT, "A refused graph says why, node by node, and nothing runs."),
    Promise("comfyui.submit.partly", _SUBMIT, "When only a part of a graph runs, the nodes left out are named."),
    Promise(
        "comfyui.submit.once",
        _SUBMIT,
        "Whatever becomes of the answer, a submission that was taken is found, and one that was not is said not to be.",
    ),
    # A queue of ComfyUI
    Promise(
        "comfyui.batch.status",
        _BATCH,
        "A batch is over exactly when nothing of it runs or may still run; it succeeded only if every prompt did.",
    ),
    Promise("comfyui.session.tracked", "ComfyUI: comfyui_session", "Every submission is tracked in its session."),
    Promise(
        "journal.old",
        "the disk contract",
        "A journal that an earlier release has written is brought to the form of this one with all that it holds.",
    ),
    Promise(
        "comfyui.journal.results",
        "ComfyUI: comfyui_job",
        "How a prompt of ours ended is kept whole, outputs and errors, however soon its server forgets it.",
    ),
    Promise(
        "comfyui.errors.missing",
        "ComfyUI: comfyui_errors",
        "Missing models and missing classes of nodes are named, and nothing that is there is called missing.",
    ),
    Promise(
        "comfyui.jobs.one_list",
        "ComfyUI: comfyui_jobs",
        "Queue, history and journal are one list: running, as they will run, then the newest, each prompt once.",
    ),
    Promise(
        "comfyui.history.cleared",
        "ComfyUI: comfyui_clear_history",
        "The newest entries stay, and what is ours can be asked for when its entry is gone, outputs and errors.",
    ),
    Promise(
        "comfyui.download.whole",
        _DOWNLOAD,
        "A file has its name when it is whole: any kind, with its subfolders, and never a part of it.",
    ),
    Promise(
        "comfyui.download.skipped",
        _DOWNLOAD,
        "What is there by size and content is skipped, what only has the name is kept, several at once do no harm.",
    ),
    Promise(
        "comfyui.download.inside",
        "COMFYUI_OUTPUT_DIR",
        "Whatever directory is asked for, name the server sends or link stands there, nothing is written outside.",
    ),
    Promise(
        "comfyui.download.goes_on",
        _DOWNLOAD,
        "A file that is gone, cut or does not fit is named with the reason, and stops no other.",
    ),
    Promise(
        "comfyui.download.killed", _DOWNLOAD, "What a killed download left is swept, and never of one that goes on."
    ),
    Promise(
        "comfyui.download.sound",
        _DOWNLOAD,
        "A picture or film that is empty or ends early on the server is said to be.",
    ),
    Promise("comfyui.download.texts", _DOWNLOAD, "What nodes show as text is in the answer, and downloaded as .txt."),
    Promise("comfyui.download.memory", _DOWNLOAD, "Memory does not grow with the size of a file."),
    Promise("comfyui.download.preview", _DOWNLOAD, "An image that was made is shown small, or why not is said."),
    Promise(
        "comfyui.upload.once",
        "ComfyUI: comfyui_upload",
        "The same content is sent once, nothing is replaced unasked.",
    ),
    Promise(
        "comfyui.inputs.outputs",
        "ComfyUI: comfyui_submit",
        "What one prompt has made is the input of another as asked.",
    ),
    # Batches
    Promise(
        "comfyui.batch.cancel",
        _BATCH,
        "After a cancel was answered nothing of the batch is submitted, and the answer says what becomes of the rest.",
    ),
    Promise(
        "comfyui.batch.survives",
        _BATCH,
        "Whoever dies, no prompt is lost; none runs again but those that were at a ComfyUI that died, unread.",
    ),
    Promise(
        "comfyui.batch.poison",
        _BATCH,
        "A prompt that ran twice when ComfyUI ended by itself has failed, with the cause, and the batch goes on.",
    ),
    Promise(
        "comfyui.pool",
        _POOL,
        "Of several ComfyUIs a prompt runs on one: on another only once it is certain that the first will not, "
        "or somebody gives it up.",
    ),
    Promise("comfyui.batch.once", _BATCH, "However many work on batches, no prompt is sent by two of them."),
    Promise(
        "comfyui.batch.pause",
        _BATCH,
        "A paused batch sends nothing until it is resumed; whoever kills its feeder pauses it, and is told so.",
    ),
    Promise("comfyui.batch.retry", _BATCH, "Failed prompts, and no others, run again under new ids."),
    Promise(
        "comfyui.batch.time_limit",
        "comfyui_submit: prompt_timeout_s",
        "What runs too long is stopped and has failed; where only a restart helps, ComfyUI is restarted, or what helps "
        "is said.",
    ),
    Promise(
        "comfyui.batch.others",
        _BATCH,
        "Others get their turn and are not touched, and what they take away does not run again.",
    ),
    Promise(
        "comfyui.start.again",
        "ComfyUI: start_comfyui",
        "With restart=on-failure a ComfyUI that crashes is started again, and what crashed it twice is told with why.",
    ),
    Promise(
        "comfyui.queue.pause",
        _BATCH,
        "A paused queue sends nothing of ours; what was pending there is taken back, and runs once when it is resumed.",
    ),
    Promise(
        "comfyui.queue.move", "comfyui_cancel_queued_job: move", "A pending prompt runs before or after all others."
    ),
    Promise(
        "comfyui.queue.drop",
        "comfyui_cancel_job: pending_only",
        "All that is pending, or has yet to be sent, is dropped, and what runs is left.",
    ),
    Promise("comfyui.batch.told", _BATCH, "An agent is told in one answer how a batch stands, and what helps."),
    # Runs of agents
    Promise("runs.tools", _RUNS, "The tools take and return what the orchestration server's of the same names do."),
    Promise("runs.errors", _RUNS, "Their errors are that server's, word for word."),
    Promise(
        "runs.cancel",
        "cancel_run",
        "A cancel is answered when no process of the run is left, whatever its tools have made of themselves.",
    ),
    Promise("runs.any_server", "cancel_run", "Any server lists and cancels a run, also after the death of its own."),
    Promise("runs.one_end", _RUNS, "A run has exactly one end, decided once: cancel, limit, result, exit."),
    Promise("runs.no_result", _UNKNOWN, "An agent that ends without a result has failed, whatever its exit code."),
    Promise("runs.lost", _UNKNOWN, "A run whose runner was killed has failed, and nothing of it is left."),
    Promise(
        "runs.same_events",
        "poll_events",
        "Events are numbered from 1 without a gap, and the same from every server, whichever reader dies when.",
    ),
    Promise("runs.poll", "poll_events", "A poll returns with the next event, and at once when the run is over."),
    Promise("runs.artifacts", "get_event_artifact", "What an event shows truncated can be read whole, in pieces."),
    Promise("runs.continue", "continue_run", "A question is answered live; an ended session goes on in a new run."),
    Promise("runs.limits", "spawn_run: timeout_s, idle_timeout_s", "Both limits hold with no server alive."),
    Promise("runs.limit", "MCP_BG_MAX_RUNS", "Never more agents run at once than allowed; the others are queued."),
    Promise("runs.leftovers", "spawn_run: leftovers", "What outlives an agent is ended, or reported if that is asked."),
    Promise(
        "runs.environment",
        _SAFE,
        "An agent gets a chosen environment, no workspace on its PATH, and a temporary directory that goes with it.",
    ),
    # It can be seen
    Promise(
        "page.door",
        _SAFE,
        "Without the cookie of a link nothing answers but the page itself, which holds nothing; nor a page of others.",
    ),
    Promise("page.text", _SEEN, "Whatever a job, or who names it, writes is text on a page, and never part of it."),
    Promise("page.reads", _SEEN, "What a page reads marks no end as told, and moves nobody's place in an output."),
    Promise("page.live", _SEEN, "A page says when its server is gone, and goes on by itself when it is back."),
    Promise(
        "page.files", _SEEN, "A page is given no file but those that ComfyUI names, and shows none that could run."
    ),
)
