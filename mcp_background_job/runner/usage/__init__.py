"""What a job's processes use: sampled from time to time, kept as a curve, and reported on request."""
