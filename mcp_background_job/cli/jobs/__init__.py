"""The commands for jobs, and how jobs are shown."""
