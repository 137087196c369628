"""The place ``slurm``: jobs on nodes of a Slurm cluster, each with a directory that login machine and nodes share."""
