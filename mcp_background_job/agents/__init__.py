"""Runs of other coding agents: a run is a job, and its events are parsed from the job's stdout."""
