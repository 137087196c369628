"""The size of the terminal that a job on a pty has."""

from __future__ import annotations

#: The terminal is wide: programs that fit their lines to it then cut little.
ROWS = 50
COLUMNS = 160
