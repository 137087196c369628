"""Controlling a ComfyUI: its renders, its queue, what they made, and its process."""
