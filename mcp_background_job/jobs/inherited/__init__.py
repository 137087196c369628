"""What a job inherits from where it is started: its environment, shell and project."""
