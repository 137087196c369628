"""Reports on ComfyUI, for tools, command lines and pages."""
