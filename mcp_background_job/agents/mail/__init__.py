"""Messages between agents, and the agents that can receive them."""
