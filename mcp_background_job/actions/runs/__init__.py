"""Actions on the runs of other coding agents."""
