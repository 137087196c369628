"""The commands for the process of ComfyUI, and its memory."""
