"""Many prompts, and the dispatcher that feeds them to a server."""
