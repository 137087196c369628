"""What a client's hook exits with."""

from __future__ import annotations

#: What each code says.
TABLE = {"0": "Always. What went wrong stands on stderr, and the client goes on as without the hook."}
