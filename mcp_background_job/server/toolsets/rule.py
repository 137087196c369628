"""The rule by which ``MCP_BG_TOOLSETS=auto`` chooses: a pure function of what is known of the machine."""

from __future__ import annotations

from dataclasses import dataclass

from mcp_background_job.config import COMFYUI_PORT, Toolset


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of the machine.

    Attributes:
        comfyui_settings: variables that say where ComfyUI is, or how it is run.
        comfyui_listens: something accepts connections at ComfyUI's usual port, or is too busy to.
        comfyui_was_used: something was submitted to ComfyUI from this state directory.
        agents: programs of agents that can be started by their names.
        had_runs: this state directory has runs.
    """

    comfyui_settings: tuple[str, ...] = ()
    comfyui_listens: bool = False
    comfyui_was_used: bool = False
    agents: tuple[str, ...] = ()
    had_runs: bool = False


@dataclass(frozen=True)
class Choice:
    """Whether a toolset is offered, and why or why not."""

    toolset: Toolset
    is_offered: bool
    why: str


def choices(facts: Facts) -> list[Choice]:
    """Return the choice for each toolset."""
    return [Choice("jobs", is_offered=True, why="always"), _comfyui(facts), _runs(facts)]


def _comfyui(facts: Facts) -> Choice:
    if facts.comfyui_settings:
        return Choice("comfyui", is_offered=True, why=f"{facts.comfyui_settings[0]} is set")
    if facts.comfyui_listens:
        return Choice("comfyui", is_offered=True, why=f"something listens at port {COMFYUI_PORT} of this machine")
    if facts.comfyui_was_used:
        return Choice("comfyui", is_offered=True, why="ComfyUI was used with this state directory")
    why = f"no COMFYUI_ variable is set, nothing listens at port {COMFYUI_PORT}, and it was never used here"
    return Choice("comfyui", is_offered=False, why=why)


def _runs(facts: Facts) -> Choice:
    if facts.agents:
        return Choice("runs", is_offered=True, why=f"{', '.join(facts.agents)} on the PATH")
    if facts.had_runs:
        return Choice("runs", is_offered=True, why="this state directory has runs")
    return Choice("runs", is_offered=False, why="no agent is on the PATH, and none was run here")
