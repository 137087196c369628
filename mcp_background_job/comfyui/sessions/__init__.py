"""Which prompts belong together, and why."""
