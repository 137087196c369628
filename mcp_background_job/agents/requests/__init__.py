"""Requests for runs: the request, its messages and their files, and the role of the agent."""
