"""The routes of the simulated server, by kind of address."""
