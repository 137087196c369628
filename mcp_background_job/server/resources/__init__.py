"""Jobs, runs and the queue of ComfyUI as resources, for clients that show them beside the conversation."""
