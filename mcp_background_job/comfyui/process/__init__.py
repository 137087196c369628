"""The process behind a ComfyUI server, and who looks after it."""
