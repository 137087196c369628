"""The commands about prompts: one, many, and why they failed."""
