"""The nodes that the simulated server knows, and the graphs made of them."""
