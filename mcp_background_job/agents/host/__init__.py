"""The process that is the job of an interactive run: it holds the agent's pipes, or the connection to a remote agent.

``python -m mcp_background_job.agents.host acp|a2a <run directory>``. Launched and never imported by the rest; it loads
the SDK of its protocol only once it is needed. ``adapters/hosted.py`` documents what it prints and reads.

It ends nothing by force. An agent that stays after its stdin was closed is ended by the job's runner, which is the
subreaper above both.
"""
