"""Many prompts, and the feeder that sends them to their server."""
