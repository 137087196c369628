"""The processes that belong to a job, and the ways to end all of them."""
