"""Tasks of MCP (``io.modelcontextprotocol/tasks``) over the state directory: calls whose answers come later.

What an action leaves behind when its work goes on (``actions.later``) is written down before the client has an id for
it, and everything that the client asks afterwards is answered from there and from the directories of jobs, runs and
prompts: by this process, the next one, or another beside it.
"""
