"""Limits for reading files."""

#: Bytes of a text in a file; people's largest workflows have a few megabytes.
MAX_TEXT = 20 * 1024**2
