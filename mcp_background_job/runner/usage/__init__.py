"""The use of the machine by a job's processes: sampled from time to time, kept as a curve, and reported on request."""
