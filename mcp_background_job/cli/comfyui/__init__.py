"""What the commands for ComfyUI share."""
