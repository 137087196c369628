"""Finds the arguments and modes that give an agent full access: it asks for nothing, and no sandbox confines it.

``full_access`` is not the only way to full access. A caller may pass the agent's own arguments that give it, and then
the person who has to agree must be asked all the same. Tools that are allowed one by one, and settings files, are not
examined.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mcp_background_job.agents.adapters.options import flag
from mcp_background_job.errors import InvalidRequestError

#: The arguments that give an agent full access: patterns of whole words; "=" joins an option and its value. opencode
#: has no such argument: ``--auto`` allows what is not denied, and its adapter denies the rest.
_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "codex": (
        r"--dangerously-bypass-approvals-and-sandbox|--yolo",
        r"(-s|--sandbox)=?danger-full-access",
        # The value is TOML. A built-in profile of permissions begins with a colon.
        r"""(-c|--config)=?\s*([\w.-]+\.)?(sandbox_mode|default_permissions)\s*=\s*["']?:?danger[\w-]*["']?\s*""",
    ),  # Gemini CLI takes single letters together, and options in camel case.
    "claude": (
        r"--dangerously-skip-permissions(=true)?",
        r"--permission-mode=bypassPermissions",
        r"--settings=.*bypassPermissions.*",
    ),
    # It takes letters together, and options in camel case.
    "gemini": (r"--yolo(=true)?", r"-[a-zA-Z]*y[a-zA-Z]*(=true)?", r"--(approval-mode|approvalMode)=yolo"),
    "agy": (r"--?dangerously-skip-permissions(=true)?",),
    "copilot": (r"--allow-all|--allow-all-tools|--yolo|--autopilot", r"--mode=autopilot"),
    "cursor": (r"--force|-f|--yolo",),
}
_PATTERNS = {
    agent: re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.DOTALL)
    for agent, patterns in _ARGUMENTS.items()
}

#: Ids of modes that give full access, of Codex, Gemini CLI, Claude Code and Copilot CLI over ACP.
_MODES = re.compile(r"agent-full-access|yolo|bypassPermissions|(?:.*#)?autopilot")


def by_arguments(agent: str, arguments: Sequence[str]) -> str | None:
    """Return the argument that gives an agent full access, ``None`` if none does."""
    pattern = _PATTERNS.get(agent)
    return next((word for word in _joined(arguments) if pattern and pattern.fullmatch(word)), None)


def by_command(command: Sequence[str]) -> str | None:
    """Return the argument that gives full access to an agent that a command names; only words after its name count."""
    words = [part for word in command for part in word.split()]  # a shell's command line is several words too
    for number, word in enumerate(words):
        name = word.rpartition("/")[2]  # a path names the program by its last part
        for agent in _PATTERNS:
            if agent in name and (found := by_arguments(agent, words[number + 1 :])):
                return found
    return None


def by_mode(mode: str | None) -> str | None:
    """Return the mode if it gives an agent full access."""
    return mode if mode and _MODES.fullmatch(mode) else None


def is_given(config: Mapping[str, Any], found: str | None, where: str) -> bool:
    """Tell whether an agent has full access, by ``full_access`` or by a word found elsewhere in ``backend_config``.

    Raises:
        InvalidRequestError: the two contradict each other.
    """
    if found is not None and config.get("full_access") is False:
        raise InvalidRequestError(
            f"backend_config.full_access is false, and {found!r} in backend_config.{where} gives full access: leave "
            "one of the two out"
        )
    return flag(config, "full_access") or found is not None


def _joined(arguments: Sequence[str]) -> Iterator[str]:
    for number, word in enumerate(arguments):
        yield word
        if word.startswith("-") and number + 1 < len(arguments):
            yield f"{word}={arguments[number + 1]}"
