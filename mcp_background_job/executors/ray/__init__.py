"""The place ``ray``: jobs on nodes of a Ray cluster, whose files nobody here sees, by Ray's REST and a port of each."""
