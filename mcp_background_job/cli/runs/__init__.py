"""What the commands for runs of agents share."""
