"""The index of jobs: answers "which" quickly. The truth about each job is in its directory, and rebuilds the index."""
