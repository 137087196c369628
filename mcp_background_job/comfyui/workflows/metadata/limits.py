"""Bounds for what is read out of a file."""

#: A text in a file; the largest workflows of people are a few megabytes.
MAX_TEXT = 20 * 1024**2
