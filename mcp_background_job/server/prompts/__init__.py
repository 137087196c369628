"""Prompts, which clients offer as commands, and completion of what they and templates of resources ask for."""
