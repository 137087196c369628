"""A program and its input: whether it asks, has answered, or needs input; and the keys that people name."""
