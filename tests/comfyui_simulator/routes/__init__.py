"""What the simulated server answers, by kind of address."""
