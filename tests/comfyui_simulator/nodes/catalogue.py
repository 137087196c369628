"""All node classes by name, and their descriptions for /object_info."""

from typing import Any

from tests.comfyui_simulator.nodes.input_nodes import INPUT_NODES
from tests.comfyui_simulator.nodes.node_class import NodeClass
from tests.comfyui_simulator.nodes.sim_nodes import SIM_NODES
from tests.comfyui_simulator.nodes.stock_nodes import STOCK_NODES

CATALOGUE = {node.name: node for node in [*STOCK_NODES, *SIM_NODES, *INPUT_NODES]}


def object_info(node: NodeClass, *, new: bool) -> dict[str, Any]:
    hidden = {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}
    # SaveImage has an output only in the new generation.
    returns = [] if node.name == "SaveImage" and not new else list(node.returns)
    info: dict[str, Any] = {
        "input": {"required": node.required, "hidden": hidden},
        "input_order": {"required": list(node.required), "hidden": list(hidden)},
        "output": returns,
        "output_is_list": [False for _ in returns],
        "output_name": returns,
        "name": node.name,
        "display_name": node.name,
        "description": node.description,
        "python_module": "nodes",
        "category": "image",
        "output_node": node.is_output,
    }
    if node.optional:
        info["input"]["optional"] = node.optional
    if new:
        info |= {
            "is_input_list": False,
            "has_intermediate_output": False,
            "search_aliases": ["simulated"],
            "essentials_category": "Basics",
        }
    return info
