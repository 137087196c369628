"""The place ``local``: jobs on this machine, each with a directory and a runner beside it."""
