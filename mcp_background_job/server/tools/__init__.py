"""The tools: what each says to a model, and how its arguments become a call of ``JobManager``."""
