"""The nodes of the simulated server, and graphs made of them."""
