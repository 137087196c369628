"""What is remembered of ComfyUI: batches, submissions, sessions and downloads."""
