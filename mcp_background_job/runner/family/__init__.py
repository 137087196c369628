"""Which processes belong to a job, and how all of them are ended."""
