"""The log of a job: its bytes, the index beside them, and readers of both."""
