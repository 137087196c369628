"""What a job has from where it is started: its environment, shell and project."""
