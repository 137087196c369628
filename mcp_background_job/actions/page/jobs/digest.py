"""A digest of facts: the cursor of a subject that is looked at as a whole."""

from __future__ import annotations

import hashlib
import json

from mcp_background_job.actions.action import Facts


def digest(facts: Facts) -> str:
    """Return a digest: the same for the same facts, in any process."""
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=12).hexdigest()
