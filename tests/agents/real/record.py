"""Records anew what real Codex and Claude Code print: ``python -m tests.agents.real.record [AGENT/NAME…]``.

A recording's name says what it is of: a scenario of the model, how often the agent tries again, and how it was ended
(``sleep_SIGINT_group``: by a signal for its process group, when its command ran). Those of which the name begins with
``bidi/`` hold both directions of a conversation. What is of this machine is taken out, and of what Claude Code says of
itself all that tells nothing of the run. ``python -m tests.agents.recordings`` then writes anew what follows from them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from mcp_background_job.agents.adapters.base import Launch, RunRequest
from mcp_background_job.kernel import tree
from mcp_background_job.runner.system import become_subreaper
from tests.agents.fake_model.server import FakeModel
from tests.agents.real.conftest import RUN_S, Agent
from tests.agents.recordings import AGENTS, FOLDER, RECORDINGS
from tests.patience import wait_until

#: Fields of the lines of Claude Code that are kept, by type.
_KEPT = {
    "assistant": (
        *("message", "parent_tool_use_id", "session_id", "timestamp"),
        *("error", "aborted", "is_api_error_message", "api_error_status", "api_error_type"),
    ),
    "user": ("message", "parent_tool_use_id", "session_id", "timestamp", "tool_use_result", "tool_result_meta"),
    "result": (
        *("subtype", "is_error", "result", "errors", "api_error_status", "api_error_type", "terminal_reason"),
        *("session_id", "num_turns", "stop_reason", "permission_denials", "usage", "total_cost_usd"),
        *("duration_ms", "duration_api_ms", "result_index"),
    ),
    "init": ("subtype", "session_id", "tools", "model", "permissionMode", "claude_code_version"),
    "api_retry": ("subtype", "session_id", "attempt", "max_retries", "retry_delay_ms", "error_status", "error"),
    "control_request": ("request_id", "request"),
    "control_response": ("response",),
}
_TOOLS = ("Bash", "Edit")
_USAGE = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")

#: What a line holds that tells of a command, of Codex and of Claude Code.
_A_COMMAND = (b"command_execution", b"tool_use")

#: The port of the model.
_PORT = re.compile(r"127\.0\.0\.1:\d+")


class Recorder:
    """Records one stream."""

    def __init__(self, recording: str, home: Path, model: FakeModel) -> None:
        self._recording, self._model = recording, model
        folder, _, self.name = recording.partition("/")
        self._is_claude = folder == "claude"
        self._agent = Agent(AGENTS[folder], home, model)
        words = self.name.removeprefix("bidi/").split("_")
        self._scenario = {"hi": "hello", "permission": "tool", "interrupt": "sleep", "two": "hello"}.get(
            words[0], words[0]
        )
        if self.name == "bidi/interrupt_hang":
            self._scenario = "hang"
        self._retries = next((int(word.removeprefix("retries")) for word in words if word.startswith("retries")), 0)
        if self._scenario == "flaky":
            self._retries = 1
        self._stdout = home / "stdout"
        self._signal = next((signal.Signals[word] for word in words if word.startswith("SIG")), None)
        self._target = words[-1]

    def record(self) -> None:
        """Run the agent, and write down what it prints."""
        written = self._talk() if self.name.startswith("bidi/") else self._listen()
        lines = (self._scrubbed(line) for line in written)
        (FOLDER / f"{self._recording}.jsonl").write_text("".join(f"{line}\n" for line in lines if line))

    # -- how it is run -----------------------------------------------------------------------------------------------

    def _launch(self, **config: Any) -> Launch:
        directory = self._agent.home / "run"
        directory.mkdir()
        given = self._agent.config(self._scenario) | config
        if not self._is_claude:
            given["args"] = [
                word.replace("stream_max_retries=1", f"stream_max_retries={self._retries}") for word in given["args"]
            ]
        request = RunRequest(
            run_id="r1", cwd=str(self._agent.workspace), prompt="say hi", directory=str(directory), config=given
        )
        return self._agent.adapter.launch(request, self._agent.binary)

    @contextmanager
    def _started(self, launch: Launch, stdout: Any) -> Generator[subprocess.Popen[bytes]]:
        environment = {**self._agent.environment(self._scenario), **launch.env}
        environment["CLAUDE_CODE_MAX_RETRIES"] = str(self._retries)
        process = subprocess.Popen(
            launch.argv,
            cwd=self._agent.workspace,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            # As a subreaper we are the parent of whatever it leaves.
            while left := tree.descendants(os.getpid()):
                for one in left:
                    tree.send(one, signal.SIGKILL)
                tree.wait_for_any([one.pid for one in left], RUN_S)
                _reap(process)

    def _listen(self) -> list[Any]:
        launch = self._launch(full_access=True)
        with self._stdout.open("wb") as stdout, self._started(launch, stdout) as process:
            assert process.stdin
            process.stdin.write(launch.stdin)
            process.stdin.close()
            if self._signal:
                wait_until(self._is_at_work, f"{self._recording}: at work", RUN_S)
                self._send(process)
            process.wait(RUN_S)
        return [json.loads(line) for line in self._stdout.read_bytes().splitlines()]

    def _is_at_work(self) -> bool:
        if self._scenario == "hang":
            return any(asked.scenario == "hang" for asked in self._model.asked)
        # The process may be there before the line that tells of it.
        is_told = self._stdout.exists() and _A_COMMAND[self._is_claude] in self._stdout.read_bytes()
        return is_told and any(one.name == "sleep" for one in tree.descendants(os.getpid()))

    def _send(self, process: subprocess.Popen[bytes]) -> None:
        assert self._signal
        if self._target == "group":
            os.killpg(process.pid, self._signal)
            return
        own = {one.pid: one for one in tree.descendants(os.getpid())}
        native = next((one for one in own.values() if one.parent == process.pid), None)
        target = native if self._target == "native" else own[process.pid]
        assert target
        tree.send(target, self._signal)

    # -- a conversation ------------------------------------------------------------------------------------------------

    def _talk(self) -> list[Any]:
        adapter, turns = self._agent.adapter, 2 if self.name == "bidi/two_turns" else 1
        launch = self._launch(full_access="permission" not in self.name, interactive=True)
        parser = adapter.parser()
        heard: list[Any] = []
        with self._started(launch, subprocess.PIPE) as process:
            assert process.stdin
            assert process.stdout

            def say(words: bytes) -> None:
                assert process.stdin
                heard.extend({"to": "agent", "message": json.loads(line)} for line in words.splitlines())
                process.stdin.write(words)
                process.stdin.flush()

            say(launch.stdin)
            for line in process.stdout:
                message = json.loads(line)
                heard.append({"to": "us", "message": message})
                events = [event.type.value for event in parser.feed(line)]
                if "input_required" in events:
                    say(adapter.answer(parser, "host said no", {"decision": self._target}))
                elif self.name.startswith("bidi/interrupt") and self._is_time(message, events):
                    say(cast("bytes", adapter.cancel_message(parser)))
                elif message["type"] == "result":
                    turns -= 1
                    if turns:
                        say(adapter.answer(parser, "and again", {}))
                    else:
                        process.stdin.close()
            process.wait(RUN_S)
        return heard

    def _is_time(self, message: Any, events: list[str]) -> bool:
        """Tell whether to interrupt: when its command is told of, or the model has been asked and says nothing."""
        if self._scenario != "hang":
            return "command_started" in events
        if message.get("subtype") != "init":
            return False
        wait_until(self._is_at_work, f"{self._recording}: at work", RUN_S)
        return True

    # -- what is written -----------------------------------------------------------------------------------------------

    def _scrubbed(self, line: Any) -> str:
        if self._is_claude and "to" in line:
            line = line | {"message": _kept(line["message"])} if line["to"] == "us" else line
            line = line if line["message"] else None
        elif self._is_claude:
            line = _kept(line)
        text = json.dumps(line, separators=(",", ":"), ensure_ascii=False) if line else ""
        text = text.replace(str(self._agent.home), "/home-of-the-agent").replace(str(Path.home()), "/home-of-the-user")
        return _PORT.sub("127.0.0.1:8000", text)


def _kept(message: Any) -> Any:
    """Return a line of Claude Code without what tells nothing of the run; nothing if none of it does."""
    kind = message["subtype"] if message["type"] == "system" else message["type"]
    if kind not in _KEPT:
        return None
    kept = {"type": message["type"]} | {name: message[name] for name in _KEPT[kind] if name in message}
    if "tools" in kept:
        kept["tools"] = [name for name in _TOOLS if name in kept["tools"]]
    if "usage" in kept:
        kept["usage"] = {name: kept["usage"].get(name, 0) for name in _USAGE}
    if "usage" in kept.get("message", {}):
        usage = {name: kept["message"]["usage"].get(name, 0) for name in _USAGE}
        kept["message"] = kept["message"] | {"usage": usage}
    answer = kept.get("response", {}).get("response", {})
    if "commands" in answer:  # of the first message, in which it tells of itself
        kept["response"] = kept["response"] | {"response": {}}
    return kept


def _reap(process: subprocess.Popen[bytes]) -> None:
    process.poll()
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _main(wanted: list[str]) -> None:
    become_subreaper()
    for recording in wanted or [name for name in RECORDINGS if name.startswith(("claude/", "codex/"))]:
        home = Path(tempfile.mkdtemp(prefix="record-"))
        try:
            with FakeModel() as model:
                Recorder(recording, home, model).record()
        finally:
            shutil.rmtree(home, ignore_errors=True)
        print(recording, flush=True)  # noqa: T201  it takes minutes


if __name__ == "__main__":
    _main(sys.argv[1:])
