"""What pages ask about runs of agents, and what they watch of them."""
