"""The commands that serve: MCP, and the page."""
