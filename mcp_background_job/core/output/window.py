"""The size of the terminal that a job on a pty has."""

from __future__ import annotations

#: Wide, so that programs that fit their lines to the terminal cut little.
ROWS = 50
COLUMNS = 160
