"""The life of a run, from its start to its end: looking at it, waiting for it, answering it, cancelling it."""
