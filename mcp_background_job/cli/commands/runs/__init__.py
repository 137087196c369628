"""The commands for runs of agents, one module each."""
