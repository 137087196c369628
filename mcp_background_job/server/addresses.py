"""The URIs that clients can read and subscribe to, and the thing that each one names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote, unquote


class Kind(Enum):
    """A kind of resource.

    Attributes:
        toolset: the toolset that it belongs to.
        template: the template of its URI; without a variable if there is only one such resource.
    """

    LIST = "jobs", "jobs://"
    JOB = "jobs", "job://{job_id}"
    LOG = "jobs", "job://{job_id}/log"
    RUN = "runs", "run://{run_id}"
    QUEUE = "comfyui", "comfyui://queue"

    def __init__(self, toolset: str, template: str) -> None:
        self.toolset = toolset
        self.template = template

    def uri_of(self, reference: str) -> str:
        """Return the URI of one."""
        return _VARIABLE.sub(lambda _: quote(reference, safe=""), self.template)


@dataclass(frozen=True)
class Address:
    """The thing that a URI names; ``reference`` is an id or name, and empty if there is only one."""

    kind: Kind
    reference: str = ""


_VARIABLE = re.compile(r"\{\w+\}")

_PATTERNS = {kind: re.compile("([^/?#]+)".join(map(re.escape, _VARIABLE.split(kind.template)))) for kind in Kind}


def address_of(uri: str) -> Address | None:
    """Return the thing that a URI names, ``None`` if the URI is not one of this server."""
    for kind, pattern in _PATTERNS.items():
        if match := pattern.fullmatch(uri):
            return Address(kind, unquote("".join(match.groups())))
    return None
