"""The MCP server. fastmcp lives here."""
