"""What the kernel tells of a job's processes: read by its runner, and by whoever looks on. Standard library only."""
