"""The files that prompts have made."""
