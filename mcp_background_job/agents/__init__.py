"""Runs of other coding agents: a run is a job, and its events are what the job's stdout says."""
