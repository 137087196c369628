"""The files that prompts made."""
