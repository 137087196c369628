"""Converts workflows, as ComfyUI's editor saves them, into prompts, as its server takes them."""
