"""The log of a job: its bytes, the index beside them, and how both are read."""
