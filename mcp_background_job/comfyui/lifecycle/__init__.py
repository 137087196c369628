"""Starts, stops and restarts ComfyUI, and carries prompts over."""
