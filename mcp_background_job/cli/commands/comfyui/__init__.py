"""One module per command of ``comfyui``."""
