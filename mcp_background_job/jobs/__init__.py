"""The use cases: what can be done with jobs, whoever asks and wherever they run."""
