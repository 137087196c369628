"""Starting, stopping and restarting ComfyUI, and what is carried over."""
