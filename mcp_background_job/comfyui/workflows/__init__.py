"""Workflows as ComfyUI's editor saves them, turned into prompts as its server takes them."""
