"""The commands for runs of agents, and how runs are shown."""
