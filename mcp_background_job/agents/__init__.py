"""Runs of other coding agents: each is a job, with an event stream read from its output."""
