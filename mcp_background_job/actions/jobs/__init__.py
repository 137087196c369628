"""Starting jobs, looking at them, waiting for them, talking to them, stopping them."""
