"""The log of a job: its bytes are moved, indexed, and kept within bounds."""
