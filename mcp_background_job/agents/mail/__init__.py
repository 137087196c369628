"""Messages that agents leave for one another, and the agents that can be written to."""
