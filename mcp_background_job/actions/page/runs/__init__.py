"""What pages look at of runs of agents."""
