"""The URIs of what clients can read, and follow: which thing each is of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote, unquote


class Kind(Enum):
    """A kind of resource.

    Attributes:
        toolset: to which it belongs.
        template: of its URI; without a variable where there is but one.
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
    """Which thing a URI is of; ``reference`` is an id or name, and empty where there is but one."""

    kind: Kind
    reference: str = ""


_VARIABLE = re.compile(r"\{\w+\}")

_PATTERNS = {kind: re.compile("([^/?#]+)".join(map(re.escape, _VARIABLE.split(kind.template)))) for kind in Kind}


def address_of(uri: str) -> Address | None:
    """Return what a URI is of, ``None`` if it is none of ours."""
    for kind, pattern in _PATTERNS.items():
        if match := pattern.fullmatch(uri):
            return Address(kind, unquote("".join(match.groups())))
    return None
