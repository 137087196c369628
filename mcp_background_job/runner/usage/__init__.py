"""What a job's processes use: looked at every now and then, kept as a curve, and told to whoever asks."""
