"""The page in a chat, for clients that show what servers hand them (MCP Apps, the extension of SEP-1865)."""
