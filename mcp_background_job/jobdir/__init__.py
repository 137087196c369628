"""The disk contract: the files of a job, and how they are written, read and locked. Standard library only."""
