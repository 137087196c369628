"""Which arguments and modes give an agent full access: nothing is asked, and no sandbox holds it.

``full_access`` is not the only way to that: whoever passes arguments of the agent's own may give it as well, and the
person who is to agree must be asked all the same. Tools that are allowed one by one, and what settings files say, are
not looked into.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mcp_background_job.agents.adapters.options import flag
from mcp_background_job.errors import InvalidRequestError

#: Of each agent, what its command line says then: patterns of whole words, an option and its value joined by "=".
#: opencode has no such word: ``--auto`` allows what is not denied, and its adapter denies the rest.
_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "codex": (
        r"--dangerously-bypass-approvals-and-sandbox|--yolo",
        r"(-s|--sandbox)=?danger-full-access",
        # The value is TOML. A built-in profile of permissions begins with a colon.
        r"""(-c|--config)=?\s*([\w.-]+\.)?(sandbox_mode|default_permissions)\s*=\s*["']?:?danger[\w-]*["']?\s*""",
    ),
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

#: Ids of modes, of Codex, Gemini CLI, Claude Code and Copilot CLI over ACP.
_MODES = re.compile(r"agent-full-access|yolo|bypassPermissions|(?:.*#)?autopilot")


def by_arguments(agent: str, arguments: Sequence[str]) -> str | None:
    """Return the argument that gives an agent full access, ``None`` if none does."""
    pattern = _PATTERNS.get(agent)
    return next((word for word in _joined(arguments) if pattern and pattern.fullmatch(word)), None)


def by_command(command: Sequence[str]) -> str | None:
    """Return the same of the command of an agent that its words name; only what comes after its name is its own."""
    words = [part for word in command for part in word.split()]  # what a shell is given is words too
    for number, word in enumerate(words):
        name = word.rpartition("/")[2]  # of a path the file alone says what it is
        for agent in _PATTERNS:
            if agent in name and (found := by_arguments(agent, words[number + 1 :])):
                return found
    return None


def by_mode(mode: str | None) -> str | None:
    """Return the mode if it gives an agent full access."""
    return mode if mode and _MODES.fullmatch(mode) else None


def is_given(config: Mapping[str, Any], found: str | None, where: str) -> bool:
    """Tell whether an agent has full access: by ``full_access``, or by what was found elsewhere in ``backend_config``.

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
