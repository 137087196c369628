"""The cost of reading the streams of agents, against a loop that only decodes their JSON with the standard library."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator

from bench.figures import KIB_PER_MIB, Figure, at_least, at_most, p50, ratio
from bench.memory import memory, reset_peak
from bench.plan import Plan
from mcp_background_job.agents.adapters.table import adapter_named

_RATE_BAR_MB_S = 50.0

#: Room for a line of 2 MB, its text, and the copy that both decoders keep while they read it; not for the stream.
_MEMORY_BAR_MIB = 32.0

_MB = 1_000_000

#: Bytes of the outputs of commands, in turns: most commands print little; a build or a file that is shown prints much.
_OUTPUTS = (300, 2_000, 300, 20_000, 300, 2_000, 200_000, 300, 2_000, 2_000_000)
_SHORT = (300,)

_OUTPUT_LINE = 'src/module.py:12: error: "name" is not defined\n'


def measure_agent_streams(plan: Plan) -> list[Figure]:
    """Read 100 MB of each agent's lines, and 20 MB of short lines alone: how fast, and with how much memory."""
    figures: list[Figure] = []
    for name, turn in _TURNS.items():
        path = _stream(plan, name, turn, _OUTPUTS, plan.count(100 * _MB, 10 * _MB))
        growth: list[float] = []
        ours, floor = _measure(plan, path, name, growth)
        what = f"reading {_size(path)} of {name}, lines up to 2 MB, against `json.loads`, processor time"
        figures.append(ratio(what, ours, floor))
        rate = os.path.getsize(path) / _MB / p50(ours)
        figures.append(at_least("the same, on one core", rate, "MB/s", bar=_RATE_BAR_MB_S))
        figures.append(at_most("memory growth meanwhile", max(growth), "MiB", bar=_MEMORY_BAR_MIB, digits=1))
        os.unlink(path)
        path = _stream(plan, name, turn, _SHORT, plan.count(20 * _MB, 2 * _MB))
        figures.append(
            ratio(f"reading {_size(path)} of {name}, short lines alone", *_measure(plan, path, name, growth))
        )
        os.unlink(path)
    return figures


def _measure(plan: Plan, path: str, name: str, growth: list[float]) -> tuple[list[float], list[float]]:
    ours: list[float] = []
    floor: list[float] = []
    for _ in range(plan.count(5, 2)):
        floor.append(_timed(lambda: _decode(path)))
        before = reset_peak(os.getpid())
        ours.append(_timed(lambda: _parse(path, name)))
        growth.append((memory(os.getpid(), "VmHWM") - before) / KIB_PER_MIB)
    return ours, floor


def _timed(function: Callable[[], None]) -> float:
    # The time of this thread alone: other load on the machine is not part of the cost of reading.
    began = time.thread_time()
    function()
    return time.thread_time() - began


def _decode(path: str) -> None:
    with open(path, "rb") as stream:
        for line in stream:
            json.loads(line)


def _parse(path: str, name: str) -> None:
    parser = adapter_named(name).parser()
    told = 0
    with open(path, "rb") as stream:
        for line in stream:
            told += len(parser.feed(line))
    assert told, f"{name} told nothing"
    assert parser.end, f"{name} did not end"
    assert parser.end.status == "completed", parser.end


def _size(path: str) -> str:
    return f"{os.path.getsize(path) / _MB:.0f} MB"


def _stream(plan: Plan, name: str, turn: _Turn, outputs: tuple[int, ...], size: int) -> str:
    """Write a stream of whole turns, of at least this size; returns its path."""
    path = plan.workspace.file(f"{name}.jsonl")
    written = number = 0
    with open(path, "wb") as stream:
        while written < size:
            length = outputs[number % len(outputs)]
            output = (_OUTPUT_LINE * (length // len(_OUTPUT_LINE) + 1))[:length]
            for message in turn(f"t{number}", output):
                written += stream.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
            number += 1
    return path


_Turn = Callable[[str, str], Iterator[object]]

_COMMAND = "/bin/bash -lc 'cd src && python -m pytest -x -q'"
_WORDS = "The tests fail since a name is not defined; I will look at where it is used, and then define it. " * 3


def _codex(call: str, output: str) -> Iterator[object]:
    item = {"id": call, "type": "command_execution", "command": _COMMAND}
    yield {"type": "turn.started"}
    yield {"type": "item.completed", "item": {"id": f"r{call}", "type": "reasoning", "text": _WORDS}}
    yield {
        "type": "item.started",
        "item": {**item, "aggregated_output": "", "exit_code": None, "status": "in_progress"},
    }
    yield {"type": "item.completed", "item": {**item, "aggregated_output": output, "exit_code": 1, "status": "failed"}}
    yield {"type": "item.completed", "item": {"id": f"m{call}", "type": "agent_message", "text": _WORDS}}
    yield {"type": "turn.completed", "usage": {"input_tokens": 4711, "cached_input_tokens": 0, "output_tokens": 99}}


def _claude_code(call: str, output: str) -> Iterator[object]:
    about = {"parent_tool_use_id": None, "session_id": "cfaea3bc-054f-46f2-92c2-5cb732c8e0a3"}
    use = {"type": "tool_use", "id": call, "name": "Bash", "input": {"command": _COMMAND, "timeout": 600_000}}
    gave = {"type": "tool_result", "tool_use_id": call, "is_error": True, "content": f"Exit code 1\n{output}"}
    for content in ({"type": "text", "text": _WORDS}, use):
        yield {"type": "assistant", "message": {"id": f"m{call}", "role": "assistant", "content": [content]}, **about}
    yield {"type": "user", "message": {"role": "user", "content": [gave]}, **about}
    yield {"type": "result", "subtype": "success", "is_error": False, "result": _WORDS, "usage": {"output_tokens": 9}}


def _gemini(call: str, output: str) -> Iterator[object]:
    when = {"timestamp": "2026-01-01T00:00:00.000Z"}
    for piece in _WORDS.split(". "):
        yield {"type": "message", **when, "role": "assistant", "content": piece, "delta": True}
    use = {"tool_id": call, "tool_name": "run_shell_command", "parameters": {"command": _COMMAND}}
    yield {"type": "tool_use", **when, **use}
    yield {"type": "tool_result", **when, "tool_id": call, "status": "success", "output": output}
    yield {"type": "result", **when, "status": "success", "stats": {"total_tokens": 18, "input_tokens": 11}}


def _opencode(call: str, output: str) -> Iterator[object]:
    about = {"timestamp": 1_767_225_600_000, "sessionID": "ses_e05643903ffe6vYce4hfNLQ1ln"}
    state = {"status": "completed", "input": {"command": _COMMAND}, "output": output, "metadata": {"exit": 1}}
    yield {"type": "step_start", **about, "part": {"type": "step-start"}}
    yield {"type": "tool_use", **about, "part": {"type": "tool", "tool": "bash", "callID": call, "state": state}}
    yield {"type": "text", **about, "part": {"type": "text", "text": _WORDS}}
    yield {"type": "step_finish", **about, "part": {"reason": "stop", "tokens": {"input": 1, "output": 1}, "cost": 0}}


#: The messages that each agent prints in a turn in which it runs one command.
_TURNS: dict[str, _Turn] = {
    "codex": _codex,
    "claude_code": _claude_code,
    "gemini": _gemini,
    "opencode": _opencode,
}
