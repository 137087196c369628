"""What the kernel reports about a job's processes, for its runner and for servers. Standard library only."""
