"""The records about ComfyUI: batches, submissions, sessions and downloads."""
