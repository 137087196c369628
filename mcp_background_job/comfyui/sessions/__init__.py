"""Sessions: groups of prompts that belong together."""
