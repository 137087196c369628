"""The process behind a ComfyUI server, and its supervisor."""
