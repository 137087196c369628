"""What is told of all this."""
