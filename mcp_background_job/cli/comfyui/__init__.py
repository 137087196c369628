"""The commands for ComfyUI, and what they share."""
