"""The use cases of jobs, whoever asks and wherever the jobs run."""
