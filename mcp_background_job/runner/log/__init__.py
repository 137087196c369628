"""The log of a job: its bytes moved, indexed, and kept within bounds."""
