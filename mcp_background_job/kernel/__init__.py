"""The kernel's facts about a job's processes, for its runner and for servers. Standard library only."""
