"""What pages ask about jobs, and what they watch of jobs and of the machine."""
