"""The commands about sessions, which group prompts."""
