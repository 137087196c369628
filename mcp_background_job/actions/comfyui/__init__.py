"""Actions on a ComfyUI: its renders, their outputs, its queue, and its process."""
