"""The commands that move files from and to ComfyUI."""
