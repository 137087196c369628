"""The host: the process of an interactive run's job. It holds the agent's pipes, or the connection to a remote agent.

``python -m mcp_background_job.agents.host acp|a2a <run directory>``. The other modules launch it and never import it.
It loads the SDK of its protocol only when needed. ``adapters/hosted.py`` documents what it prints and reads.

The host kills nothing. If an agent stays after its stdin was closed, the job's runner, which is the subreaper above
both, ends it.
"""
