"""A program and its input: whether it asks, has answered, or needs one; and the keys that people name."""
