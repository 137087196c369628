"""Graphs in the form that /prompt takes: one function for each behaviour."""

import itertools
import json
from pathlib import Path
from typing import Any

Graph = dict[str, dict[str, Any]]

_seeds = itertools.count(1)


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    """Return one node; if no seed is given, a new one keeps the node from being taken from the cache."""
    return {"class_type": class_type, "inputs": {"seed": next(_seeds)} | inputs}


def single(class_type: str, **inputs: Any) -> Graph:
    return {"1": node(class_type, **inputs)}


def chain(*graphs: Graph) -> Graph:
    """Return a graph whose nodes, from one-node graphs, run one after another as nodes 1, 2, 3…"""
    nodes = [node for graph in graphs for node in graph.values()]
    for index, later in enumerate(nodes[1:], start=1):
        later["inputs"]["after"] = [str(index), 0]
    return {str(index): node for index, node in enumerate(nodes, start=1)}


def with_output(graph: Graph, filename_prefix: str = "simulated", text: str = "done") -> Graph:
    """Add node 9, which writes a picture after all others."""
    last = list(graph)[-1]
    return graph | {"9": node("SimOutput", text=text, filename_prefix=filename_prefix, after=[last, 0])}


def stepped(steps: int = 10, seconds: float = 0.1) -> Graph:
    return single("SimStepped", steps=steps, seconds=seconds)


def previewing(gates: Path, steps: int = 4) -> Graph:
    """Return a graph that shows a picture at each step; it goes on when the file with the step's number is there."""
    return single("SimPreviewing", steps=steps, gates=str(gates))


def gated(gate: Path, *, deaf: bool = False) -> Graph:
    """Return a graph that runs until a file is there, thus as long as the test needs, however slow the machine is.

    A deaf one does not look for interrupts meanwhile.
    """
    return single("SimGated", gate=str(gate), deaf=deaf)


def sleeping(seconds: float) -> Graph:
    return single("SimSleep", seconds=seconds)


def waiting(what: str, seconds: float) -> Graph:
    """Return a graph that waits for a timer or the network."""
    return single("SimWaiting", what=what, seconds=seconds)


def busy(seconds: float) -> Graph:
    return single("SimBusy", seconds=seconds)


def gil_hold(seconds: float) -> Graph:
    return single("SimGilHold", seconds=seconds)


def raising(message: str = "deliberate failure", exception_type: str = "RuntimeError") -> Graph:
    return single("SimRaise", message=message, exception_type=exception_type)


def out_of_memory() -> Graph:
    return raising("simulated CUDA out of memory", "torch.OutOfMemoryError")


def sys_exit() -> Graph:
    return single("SimSysExit")


def os_exit(code: int = 42) -> Graph:
    return single("SimOsExit", code=code)


def self_signal(number: int) -> Graph:
    return single("SimSelfSignal", number=number)


def ignore_sigterm() -> Graph:
    return single("SimIgnoreSigterm")


def swallow_interrupt(steps: int = 10, seconds: float = 0.1) -> Graph:
    return single("SimSwallowInterrupt", steps=steps, seconds=seconds)


def spawn_child(*, ignore_sigterm: bool = False, new_session: bool = False, seconds: float = 60.0) -> Graph:
    return single("SimSpawnChild", ignore_sigterm=ignore_sigterm, new_session=new_session, seconds=seconds)


def bad_ui() -> Graph:
    return single("SimBadUi")


def nan_ui() -> Graph:
    return single("SimNanUi")


def output(text: str = "done", filename_prefix: str = "simulated") -> Graph:
    return {"9": node("SimOutput", text=text, filename_prefix=filename_prefix)}


def file(
    filename: str, *, kind: str = "images", subfolder: str = "", folder: str = "output", text: str = "-", size: int = 0
) -> Graph:
    """Return a graph that writes one file into the server's folder for outputs or into another one."""
    return single("SimFile", kind=kind, filename=filename, subfolder=subfolder, type=folder, text=text, size=size)


def files(*graphs: Graph) -> Graph:
    """Return a graph whose nodes, from one-node graphs, run in any order as nodes 1, 2, 3…"""
    nodes = [node for graph in graphs for node in graph.values()]
    return {str(index): node for index, node in enumerate(nodes, start=1)}


def listing(*files: tuple[str, str], kind: str = "images") -> Graph:
    """Return a graph that lists files, by subfolder and name, without writing them."""
    listed = [{"filename": name, "subfolder": subfolder, "type": "output"} for subfolder, name in files]
    return single("SimListed", outputs=json.dumps({kind: listed}))


def showing(ui: dict[str, Any]) -> Graph:
    """Return a graph whose node leaves this output."""
    return single("SimListed", outputs=json.dumps(ui))


def text(words: str) -> Graph:
    """Return a graph of stock nodes that shows a text."""
    return {
        "1": {"class_type": "PrimitiveString", "inputs": {"value": words}},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
    }


def model(path: str) -> Graph:
    """Return a graph that shows a model whose file nobody has written."""
    return {"7": {"class_type": "Preview3D", "inputs": {"model_file": path}}}


def from_image(image: Any, *, picked: bool = False) -> Graph:
    """Return a graph that makes a picture of another: one that the server has, or one in its list of inputs."""
    loader = "SimPickImage" if picked else "LoadImage"
    return {
        "1": {"class_type": loader, "inputs": {"image": image}},
        "2": {"class_type": "SimFromImage", "inputs": {"image": ["1", 0]}},
    }


def load_checkpoint(ckpt_name: str = "simulated.safetensors") -> Graph:
    """Return a graph that is refused unless the checkpoint exists."""
    return with_output(single("SimLoadCheckpoint", ckpt_name=ckpt_name))
