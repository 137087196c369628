"""The node classes of the simulator: they take time, fail, and wedge in all known ways."""

import contextlib
import ctypes
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.comfyui_simulator import children, png
from tests.comfyui_simulator.interrupts import INTERRUPTIONS
from tests.comfyui_simulator.nodes.node_class import Context, InputSpec, NodeClass, Result, said

CHECKPOINTS = ["simulated.safetensors"]

_INT: InputSpec = ["INT", {"default": 0}]
_FLOAT: InputSpec = ["FLOAT", {"default": 0.0}]
_STRING: InputSpec = ["STRING", {"default": ""}]
_BOOLEAN: InputSpec = ["BOOLEAN", {"default": False}]
_SIG_IGN = 1

#: A node that ends or stops the process waits for this time first: the answer to the submission must get out.
_HEAD_START_S = 0.15

# Pause between two looks of a node that waits for its gate.
_GATE_LOOK_S = 0.02


def _sleep(seconds: float) -> None:
    threading.Event().wait(seconds)


def _step(context: Context, steps: int, seconds: float) -> None:
    for value in range(1, steps + 1):
        _sleep(seconds)
        context.print_progress(value, steps, value * seconds)
        context.progress(value, steps)


def _stepped(context: Context, inputs: dict[str, Any]) -> Result:
    _step(context, inputs["steps"], inputs["seconds"])
    return said(f"stepped {inputs['steps']}x{inputs['seconds']}")


def _previewing(context: Context, inputs: dict[str, Any]) -> Result:
    steps = inputs["steps"]
    for step in range(1, steps + 1):
        context.progress(step, steps)
        context.preview(png.stage(step, steps))
        while not (Path(inputs["gates"]) / str(step)).exists():
            _sleep(_GATE_LOOK_S)
            context.progress(step, steps)
    return said("previewed")


def _gated(context: Context, inputs: dict[str, Any]) -> Result:
    while not Path(inputs["gate"]).exists():
        _sleep(_GATE_LOOK_S)
        if not inputs.get("deaf"):
            context.progress(1, 2)
    return said("let go")


def _slept(_context: Context, inputs: dict[str, Any]) -> Result:
    _sleep(inputs["seconds"])
    return said(f"sleep done {inputs['seconds']:.2f}")


def _waiting(_context: Context, inputs: dict[str, Any]) -> Result:
    """Wait in the kernel for something other than a lock."""
    if inputs["what"] == "network":
        ours, _theirs = socket.socketpair()
        ours.settimeout(inputs["seconds"])
        with contextlib.suppress(TimeoutError):
            ours.recv(1)
    else:
        time.sleep(inputs["seconds"])
    return said(f"waited for the {inputs['what']}")


def _busy(_context: Context, inputs: dict[str, Any]) -> Result:
    end = time.monotonic() + inputs["seconds"]
    rounds = 0
    while time.monotonic() < end:
        rounds += 1
    return said(f"busy for {rounds} rounds")


def _gil_held(_context: Context, inputs: dict[str, Any]) -> Result:
    _sleep(_HEAD_START_S)
    # Unlike CDLL, PyDLL keeps the interpreter's lock: meanwhile no Python code of this process runs.
    ctypes.PyDLL(None).usleep(ctypes.c_uint(int(inputs["seconds"] * 1_000_000)))
    return said("held")


def _raised(_context: Context, inputs: dict[str, Any]) -> Result:
    module, _, name = inputs["exception_type"].rpartition(".")
    raise type(name, (RuntimeError,), {"__module__": module or "builtins"})(inputs["message"])


def _system_exit(_context: Context, _inputs: dict[str, Any]) -> Result:
    raise SystemExit


def _os_exit(_context: Context, inputs: dict[str, Any]) -> Result:
    _sleep(_HEAD_START_S)
    os._exit(inputs["code"])


def _signalled(_context: Context, inputs: dict[str, Any]) -> Result:
    _sleep(_HEAD_START_S)
    os.kill(os.getpid(), inputs["number"])
    return said("still alive")


def _sigterm_ignored(_context: Context, _inputs: dict[str, Any]) -> Result:
    # In C, as a library might do it, since Python lets only the main thread set handlers.
    ctypes.CDLL(None).signal(int(signal.SIGTERM), ctypes.c_void_p(_SIG_IGN))
    return said("SIGTERM is ignored")


def _swallowed(context: Context, inputs: dict[str, Any]) -> Result:
    for _ in range(inputs["steps"]):
        try:
            _step(context, 1, inputs["seconds"])
        except INTERRUPTIONS:
            continue
    return said("swallowed")


def _child_spawned(_context: Context, inputs: dict[str, Any]) -> Result:
    pid = children.spawn(
        ignore_sigterm=inputs["ignore_sigterm"], new_session=inputs["new_session"], seconds=inputs["seconds"]
    )
    return said(str(pid))


def _bad_ui(_context: Context, _inputs: dict[str, Any]) -> Result:
    return Result((0,), {"text": [object()]})


def _nan_ui(_context: Context, _inputs: dict[str, Any]) -> Result:
    return Result((0,), {"value": [float("nan")]})


def _output(context: Context, inputs: dict[str, Any]) -> Result:
    return Result(
        (0,), {"images": [png.save(context.output_directory, inputs["filename_prefix"], str(inputs["text"]))]}
    )


def _file(context: Context, inputs: dict[str, Any]) -> Result:
    """Write one file of any kind and size; only its text takes room on the disk."""
    kind, folder = inputs["kind"], inputs["type"]
    path = context.output_directory.with_name(folder) if folder != "output" else context.output_directory
    path = path / inputs["subfolder"] / inputs["filename"]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(inputs["text"].encode())
        file.truncate(max(inputs["size"], file.tell()))
    listed = {"filename": inputs["filename"], "subfolder": inputs["subfolder"], "type": folder}
    return Result((0,), {kind: [listed]})


def _listed(_context: Context, inputs: dict[str, Any]) -> Result:
    """List the given files, which nobody has written."""
    return Result((0,), json.loads(inputs["outputs"]))


def _loaded(_context: Context, _inputs: dict[str, Any]) -> Result:
    return Result(("model",))


def _sim(
    name: str,
    run: Callable[[Context, dict[str, Any]], Result],
    required: dict[str, InputSpec] | None = None,
    *,
    is_output: bool = True,
) -> NodeClass:
    # `seed` makes two nodes different for the cache; `after` makes one node wait for another.
    optional: dict[str, InputSpec] = {"seed": _INT, "after": ["*", {}]}
    return NodeClass(name, run, required=required or {}, optional=optional, returns=("INT",), is_output=is_output)


SIM_NODES = [
    _sim("SimStepped", _stepped, {"steps": _INT, "seconds": _FLOAT}),
    _sim("SimPreviewing", _previewing, {"steps": _INT, "gates": _STRING}),
    _sim("SimGated", _gated, {"gate": _STRING, "deaf": _BOOLEAN}),
    _sim("SimSleep", _slept, {"seconds": _FLOAT}),
    _sim("SimWaiting", _waiting, {"what": _STRING, "seconds": _FLOAT}),
    _sim("SimBusy", _busy, {"seconds": _FLOAT}),
    _sim("SimGilHold", _gil_held, {"seconds": _FLOAT}),
    _sim("SimRaise", _raised, {"message": _STRING, "exception_type": _STRING}),
    _sim("SimSysExit", _system_exit),
    _sim("SimOsExit", _os_exit, {"code": _INT}),
    _sim("SimSelfSignal", _signalled, {"number": _INT}),
    _sim("SimIgnoreSigterm", _sigterm_ignored),
    _sim("SimSwallowInterrupt", _swallowed, {"steps": _INT, "seconds": _FLOAT}),
    _sim("SimSpawnChild", _child_spawned, {"ignore_sigterm": _BOOLEAN, "new_session": _BOOLEAN, "seconds": _FLOAT}),
    _sim("SimBadUi", _bad_ui),
    _sim("SimNanUi", _nan_ui),
    _sim("SimOutput", _output, {"text": _STRING, "filename_prefix": _STRING}),
    _sim(
        "SimFile",
        _file,
        {"kind": _STRING, "filename": _STRING, "subfolder": _STRING, "type": _STRING, "text": _STRING, "size": _INT},
    ),
    _sim("SimListed", _listed, {"outputs": _STRING}),
    _sim("SimLoadCheckpoint", _loaded, {"ckpt_name": [CHECKPOINTS, {}]}, is_output=False),
]
