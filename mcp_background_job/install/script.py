"""A plugin file of opencode that is entirely ours."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any, ClassVar

from mcp_background_job import install
from mcp_background_job.install.wishes import Entry, Wish

#: The file's name, without its ending.
NAME = "mcp-background-job"

_DEFAULT = json.dumps([NAME])


class Script:
    """The format of a file that is one entry: its whole text, under the file's name."""

    new_first: ClassVar[bool] = False

    def read(self, text: str) -> dict[str, Any]:
        """Return the text."""
        return {NAME: {"text": text}} if text else {}

    def granted(self, text: str, wish: Wish) -> str:
        """Return the wanted text."""
        del text
        return wish.value["text"]

    def revoked(self, text: str, wish: Wish) -> str:
        """Return nothing."""
        del text, wish
        return ""


def plugin(command: list[str]) -> Entry:
    """Return the plugin that runs the stop hook by a command."""
    template = resources.files(install).joinpath("opencode.js").read_text("utf-8")
    return Entry((NAME,), {"text": template.replace(_DEFAULT, json.dumps(command), 1)})
