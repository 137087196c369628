"""What a client's hook exits with."""

from __future__ import annotations

#: What each code says.
TABLE = {"0": "Always. An error is written to stderr, and the client continues as if there were no hook."}
